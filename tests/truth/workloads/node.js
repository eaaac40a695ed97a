// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The truth workload on Node: /w/ID?n=N makes N calls to $DOWN, one after the other or, with par=1,
// at the same time, and prints what it did. HOW says by which way calls go, POOL how many
// connections they share, BG the milliseconds between calls that no request asks for.
'use strict';
const http = require('http');

const down = Number(process.env.DOWN);
const how = process.env.HOW ?? 'http';
const pool = Number(process.env.POOL ?? 100);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const tell = (line) => console.log(JSON.stringify({ ...line, pid: process.pid, method: 'GET', req: 0 }));

const agent = new http.Agent({ keepAlive: true, maxSockets: pool });

const byHttp = (path) => new Promise((resolve, reject) => {
	http.get({ port: down, host: '127.0.0.1', path, agent }, (r) => {
		let got = 0;
		r.on('data', (chunk) => { got += chunk.length; });
		r.on('end', () => resolve({ resp: got, status: r.statusCode }));
	}).on('error', reject);
});

async function byFetch(path) {
	const r = await fetch(`http://127.0.0.1:${down}${path}`);
	return { resp: (await r.arrayBuffer()).byteLength, status: r.status };
}

function byUndici() {
	const client = new (require('undici').Pool)(`http://127.0.0.1:${down}`, { connections: pool });
	return async (path) => {
		const r = await client.request({ path, method: 'GET' });
		return { resp: (await r.body.arrayBuffer()).byteLength, status: r.statusCode };
	};
}

async function byTimer(path) {
	await wait(1 + Math.random() * 4);
	return byHttp(path);
}

// A queue of jobs with at most $POOL at work: a job begins where another one has ended.
function byQueue() {
	const jobs = [];
	let busy = 0;
	const next = () => {
		if (busy === pool || !jobs.length)
			return;
		const { path, resolve, reject } = jobs.shift();
		busy++;
		byHttp(path).then(resolve, reject).finally(() => { busy--; next(); });
	};
	return (path) => new Promise((resolve, reject) => { jobs.push({ path, resolve, reject }); next(); });
}

function byRedis() {
	const client = new (require('ioredis'))(down, '127.0.0.1');
	return async (path) => {
		await client.get(path.slice(1));
		return { system: 'redis' };
	};
}

function byPostgres() {
	const client = new (require('pg').Pool)({ host: '127.0.0.1', port: down, user: 'truth', database: 'postgres', max: pool });
	return async (path) => {
		await client.query(`select pg_sleep(${0.001 + Math.random() * 0.004}) as "${path.slice(1)}"`);
		return { system: 'postgresql' };
	};
}

const call = {
	http: () => byHttp, fetch: () => byFetch, undici: byUndici, timer: () => byTimer,
	queue: byQueue, redis: byRedis, pg: byPostgres,
}[how]();

async function one(id) {
	const got = await call(`/w/${id}`);
	tell({ side: 'client', id, ...got });
}

async function serve(request, response) {
	const url = new URL(request.url, 'http://x');
	const id = url.pathname.split('/')[2];
	const n = Number(url.searchParams.get('n') ?? 1);

	if (url.searchParams.get('par'))
		await Promise.all(Array.from({ length: n }, (_, i) => one(`${id}.${i}`)));
	else
		for (let i = 0; i < n; i++)
			await one(`${id}.${i}`);
	tell({ side: 'server', id, resp: 2, status: 200 });
	response.end('ok');
}

let made = 0;
setInterval(() => one(`bg-${Date.now()}-${made++}`).catch(console.error), Number(process.env.BG));

http.createServer((request, response) => {
	serve(request, response).catch((e) => {
		console.error(e);
		response.destroy();
	});
}).listen(Number(process.env.PORT), '127.0.0.1', 1024);
