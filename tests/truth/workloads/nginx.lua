-- SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
-- In nginx: three calls ID.0 to ID.2 for each request ID, over cosockets that are kept alive; and
-- others of its own, by a timer. Says what it did in a log.
local work, set, made = {}, {}, 0

local function tell(side, id)
	local f = assert(io.open(set.log, "a"))
	f:write(string.format(
		'{"side": "%s", "id": "%s", "pid": %d, "method": "GET", "req": 0, "status": 200}\n',
		side, id, ngx.worker.pid()))
	f:close()
end

local function call(id)
	local s = ngx.socket.tcp()
	s:settimeout(10000)
	assert(s:connect("127.0.0.1", set.down, { pool_size = set.pool, backlog = 10000 }))
	assert(s:send("GET /w/" .. id .. " HTTP/1.1\r\nHost: down\r\n\r\n"))
	repeat
		local line = assert(s:receive("*l"))
	until line == ""
	assert(s:receive(2))
	tell("client", id)
	assert(s:setkeepalive(60000))
end

function work.set(values)
	set = values
end

function work.serve(id)
	if set.how == "par" then
		local threads = {}
		for n = 0, 2 do
			threads[n + 1] = ngx.thread.spawn(call, id .. "." .. n)
		end
		for n = 1, 3 do
			assert(ngx.thread.wait(threads[n]))
		end
	else
		for n = 0, 2 do
			if set.how == "sleep" then
				ngx.sleep(0.002)
			end
			call(id .. "." .. n)
		end
	end
	tell("server", id)
	ngx.header["Content-Length"] = 2
	ngx.print("ok")
end

local function own()
	ngx.update_time()
	made = made + 1
	call(string.format("bg-%d-%d", ngx.now() * 1000, made))
end

function work.background()
	assert(ngx.timer.every(set.bg / 1000, own))
end

return work
