// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Catalog of the demo shop: one event loop, a keep-alive agent towards orders; no tracing.
'use strict';
const http = require('http');

const agent = new http.Agent({ keepAlive: true });

function answer(res, status, value) {
	const body = JSON.stringify(value);

	res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length });
	res.end(body);
}

function discount(item, done) {
	const options = { host: '127.0.0.1', port: process.env.ORDERS_PORT, path: `/discount/${item}`, agent };

	http.get(options, (reply) => {
		let text = '';

		reply.on('data', (part) => (text += part));
		reply.on('end', () => done(null, JSON.parse(text).percent));
	}).on('error', done);
}

http.createServer((req, res) => {
	const [, kind, item] = req.url.split('/');

	if (!(Number(item) <= 100))
		return answer(res, 404, { error: 'no such item' });
	if (kind === 'stock')
		return setTimeout(() => answer(res, 200, { item, left: 3 }), 2);
	discount(item, (err, percent) =>
		err ? answer(res, 502, { error: String(err) }) : answer(res, 200, { item, price: 100 - percent }));
}).listen(Number(process.env.CATALOG_PORT), '127.0.0.1');
