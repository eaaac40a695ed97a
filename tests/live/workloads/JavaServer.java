// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The workload of work.py on com.sun.net.httpserver with a pool of threads. WAY: how it calls: thread
// (HttpURLConnection, where the request is), pool (on another thread, which the request waits for), or
// send (java.net.http.HttpClient); BG: milliseconds between calls of its own.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

public class JavaServer {
	static final String DOWN = System.getenv("DOWN");
	static final String WAY = System.getenv().getOrDefault("WAY", "thread");
	static final ExecutorService POOL = Executors.newFixedThreadPool(4);
	static final HttpClient CLIENT = WAY.equals("send") ? HttpClient.newHttpClient() : null;
	static int made;
	static final long PID = ProcessHandle.current().pid();

	static int number(String query, String key, int otherwise) {
		if (query != null)
			for (String pair : query.split("&"))
				if (pair.startsWith(key + "="))
					return Integer.parseInt(pair.substring(key.length() + 1));
		return otherwise;
	}

	static void tell(String side, String id, String method, int req, int resp, int status) {
		System.out.println(String.format("{\"side\": \"%s\", \"id\": \"%s\", \"pid\": %d, \"method\": \"%s\", "
				+ "\"req\": %d, \"resp\": %d, \"status\": %d}", side, id, PID, method, req, resp, status));
	}

	static void call(String method, String id, String query, byte[] body) throws IOException {
		URL url = new URL("http://127.0.0.1:" + DOWN + "/w/" + id + (query == null ? "" : "?" + query));
		HttpURLConnection c = (HttpURLConnection) url.openConnection();

		c.setRequestMethod(method);
		if (body.length > 0) {
			c.setDoOutput(true);
			c.setFixedLengthStreamingMode(body.length);
			c.getOutputStream().write(body);
		}
		int status = c.getResponseCode();
		int got = c.getInputStream().readAllBytes().length;
		tell("client", id, method, body.length, got, status);
	}

	static void send(String method, String id, String query, byte[] body) throws IOException {
		URI uri = URI.create("http://127.0.0.1:" + DOWN + "/w/" + id + (query == null ? "" : "?" + query));
		HttpRequest request = HttpRequest.newBuilder(uri).version(HttpClient.Version.HTTP_1_1)
				.method(method, HttpRequest.BodyPublishers.ofByteArray(body)).build();

		try {
			HttpResponse<byte[]> r = CLIENT.send(request, HttpResponse.BodyHandlers.ofByteArray());

			tell("client", id, method, body.length, r.body().length, r.statusCode());
		} catch (InterruptedException e) {
			throw new IOException(e);
		}
	}

	static void callSomehow(String method, String id, String query, byte[] body) throws IOException {
		if (WAY.equals("send"))
			send(method, id, query, body);
		else if (WAY.equals("pool"))
			CompletableFuture.runAsync(() -> {
				try {
					call(method, id, query, body);
				} catch (IOException e) {
					throw new RuntimeException(e);
				}
			}, POOL).join();
		else
			call(method, id, query, body);
	}

	static void ownCall() {
		try {
			call("GET", "bg-" + System.currentTimeMillis() + "-" + made++, null, new byte[0]);
		} catch (IOException e) {
			e.printStackTrace();
		}
	}

	static void serve(HttpExchange x) throws IOException {
		String query = x.getRequestURI().getRawQuery(), id = x.getRequestURI().getPath().substring(3);
		byte[] body = x.getRequestBody().readAllBytes(), answer = new byte[number(query, "size", 2)];
		int n = DOWN == null ? 0 : number(query, "n", 1);

		for (int i = 0; i < n; i++)
			callSomehow(x.getRequestMethod(), id + "." + i, query, body);
		tell("server", id, x.getRequestMethod(), body.length, answer.length, 200);
		x.sendResponseHeaders(200, answer.length == 0 ? -1 : answer.length);
		x.getResponseBody().write(answer);
		x.close();
	}

	public static void main(String[] args) throws IOException {
		int port = Integer.parseInt(System.getenv("PORT"));
		HttpServer server = HttpServer.create(
				new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 1024);

		server.createContext("/w/", JavaServer::serve);
		server.setExecutor(Executors.newFixedThreadPool(40));
		server.start();
		if (System.getenv("BG") != null)
			Executors.newSingleThreadScheduledExecutor().scheduleWithFixedDelay(JavaServer::ownCall, 0,
					Integer.parseInt(System.getenv("BG")), TimeUnit.MILLISECONDS);
	}
}
