// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// nodeserver.js more than once: in the worker threads of one process, each on its own of $PORTS
// (THREADS), or in processes that share one port and are forked at SIGUSR2 (CLUSTER).
'use strict';
const cluster = require('cluster');
const { Worker, isMainThread } = require('worker_threads');

if (process.env.THREADS && isMainThread) {
	for (const PORT of process.env.PORTS.split(','))
		new Worker(__filename, { env: { ...process.env, PORT } });
	// the main thread has an event loop with timers, too
	setInterval(() => {}, 5);
} else if (process.env.CLUSTER && cluster.isPrimary) {
	process.once('SIGUSR2', () => {
		for (let i = 0; i < Number(process.env.CLUSTER); i++)
			cluster.fork();
	});
	setInterval(() => {}, 1000);
} else {
	require('./nodeserver.js');
}
