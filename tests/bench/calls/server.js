// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Every request makes three calls to $DOWN, one after the other: node:http and undici's Pool.
const http = require('node:http');
const { Pool } = require('undici');

const pool = new Pool(`http://127.0.0.1:${process.env.DOWN}`, { connections: 100 });

http.createServer(async (request, response) => {
  for (let i = 0; i < 3; i++) {
    const { body } = await pool.request({ path: '/w/x', method: 'GET' });
    await body.text();
  }
  response.end('ok');
}).listen(Number(process.env.PORT), '127.0.0.1');
