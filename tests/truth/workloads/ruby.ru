# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# The truth workload on Rack (puma): /w/ID?n=N makes N calls to $DOWN and prints what it did.
# HOW: inline (in the request's thread) or thread (one for each call, with par=1 together).
require 'json'
require 'net/http'

$stdout.sync = true

def tell(side, id, resp, status)
  $stdout.write(JSON.generate(side: side, id: id, pid: Process.pid, method: 'GET', req: 0,
                              resp: resp, status: status) + "\n")
end

def call(id)
  http = Thread.current[:http] ||= Net::HTTP.start('127.0.0.1', ENV['DOWN'].to_i)
  answer = http.request_get("/w/#{id}", 'Accept-Encoding' => 'identity')
  tell('client', id, answer.body.bytesize, answer.code.to_i)
end

def calls(ids, par)
  return ids.each { |id| call(id) } if ENV['HOW'] == 'inline'
  return ids.map { |id| Thread.new { call(id) } }.each(&:join) if par

  ids.each { |id| Thread.new { call(id) }.join }
end

Thread.new do
  (0..).each do |i|
    sleep(ENV['BG'].to_f / 1000)
    call("bg-#{(Time.now.to_f * 1000).to_i}-#{i}")
  end
end

run(lambda do |env|
  id = env['PATH_INFO'].split('/')[2]
  query = env['QUERY_STRING']
  calls((0...query[/n=(\d+)/, 1].to_i).map { |i| "#{id}.#{i}" }, query.include?('par=1'))
  tell('server', id, 2, 200)
  [200, { 'Content-Length' => '2' }, ['ok']]
end)
