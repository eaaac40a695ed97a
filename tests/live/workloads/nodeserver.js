// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The workload of work.py on Node's http; calls go by http.request, or by fetch with FETCH=1. BG:
// milliseconds between calls that no request asks for.
'use strict';
const http = require('http');

const down = process.env.DOWN;
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

const tell = (line) => console.log(JSON.stringify({ ...line, pid: process.pid }));

function byHttp(method, path, body) {
	return new Promise((resolve, reject) => {
		const headers = body.length ? { 'Content-Length': body.length } : {};
		const call = http.request({ port: down, host: '127.0.0.1', method, path, agent, headers }, (r) => {
			let got = 0;
			r.on('data', (chunk) => { got += chunk.length; });
			r.on('end', () => resolve([r.statusCode, got]));
		});
		call.on('error', reject);
		call.end(body.length ? body : undefined);
	});
}

async function byFetch(method, path, body) {
	const r = await fetch(`http://127.0.0.1:${down}${path}`, {
		method, body: body.length ? body : undefined, headers: { 'Accept-Encoding': 'identity' },
	});
	return [r.status, (await r.arrayBuffer()).byteLength];
}

const call = process.env.FETCH ? byFetch : byHttp;

async function serve(request, response, body) {
	const url = new URL(request.url, 'http://x');
	const id = url.pathname.split('/')[2];
	const n = down ? Number(url.searchParams.get('n') ?? 1) : 0;
	const method = request.method;

	const one = async (i) => {
		const [status, got] = await call(method, `/w/${id}.${i}${url.search}`, body);
		tell({ side: 'client', id: `${id}.${i}`, method, req: body.length, resp: got, status });
	};

	for (let i = 0; i < n; i++)
		await one(i);
	const answer = Buffer.alloc(Number(url.searchParams.get('size') ?? 2), 'x');
	if (id)
		tell({ side: 'server', id, method, req: body.length, resp: answer.length, status: 200 });
	response.writeHead(200, { 'Content-Length': answer.length });
	response.end(answer);
}

let own = 0;

if (process.env.BG)
	setInterval(async () => {
		const id = `bg-${own++}`;
		const [status, got] = await call('GET', `/w/${id}`, '').catch(() => [0, 0]);
		tell({ side: 'client', id, method: 'GET', req: 0, resp: got, status });
	}, Number(process.env.BG));

http.createServer((request, response) => {
	const chunks = [];
	request.on('data', (chunk) => chunks.push(chunk));
	request.on('end', () => serve(request, response, Buffer.concat(chunks)).catch((e) => {
		console.error(e);
		response.destroy();
	}));
}).listen(Number(process.env.PORT), '127.0.0.1');
