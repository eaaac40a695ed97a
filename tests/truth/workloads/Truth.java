// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The truth workload in Java: /w/ID?n=N makes N calls to $DOWN and prints what it did.
// HOW: the way of the calls, see HOWS below; POOL: threads of the executor that makes them; BG:
// milliseconds between calls of the program's own. SERVER: jdk, or a class of Containers.java.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

public class Truth {
	interface How {
		void make(List<String> ids) throws Exception;
	}

	static final int PORT = Integer.parseInt(System.getenv("PORT"));
	static final String DOWN = System.getenv("DOWN"), HOW = System.getenv("HOW");
	static final int POOL = Integer.parseInt(System.getenv().getOrDefault("POOL", "64"));
	static final long PID = ProcessHandle.current().pid();
	static final ExecutorService POOLED = HOW.equals("forkjoin") ? new ForkJoinPool(POOL)
			: Executors.newFixedThreadPool(POOL);
	static final HttpClient CLIENT = HOW.startsWith("send") && HOW.endsWith("-pool")
			? HttpClient.newBuilder().executor(POOLED).build() : HttpClient.newHttpClient();

	static void tell(String side, String id, int resp, int status) {
		System.out.println(String.format("{\"side\": \"%s\", \"id\": \"%s\", \"pid\": %d, \"method\": \"GET\", "
				+ "\"req\": 0, \"resp\": %d, \"status\": %d}", side, id, PID, resp, status));
	}

	// --- one call ---------------------------------------------------------------------------------

	static URI uri(String id) {
		return URI.create("http://127.0.0.1:" + DOWN + "/w/" + id);
	}

	static void call(String id) {
		try {
			HttpURLConnection c = (HttpURLConnection) uri(id).toURL().openConnection();
			int status = c.getResponseCode(), got = c.getInputStream().readAllBytes().length;

			tell("client", id, got, status);
		} catch (IOException e) {
			throw new UncheckedIOException(e);
		}
	}

	static HttpRequest request(String id) {
		return HttpRequest.newBuilder(uri(id)).version(HttpClient.Version.HTTP_1_1).build();
	}

	static void send(String id) throws Exception {
		HttpResponse<byte[]> r = CLIENT.send(request(id), HttpResponse.BodyHandlers.ofByteArray());

		tell("client", id, r.body().length, r.statusCode());
	}

	static CompletableFuture<Void> sendAsync(String id) {
		return CLIENT.sendAsync(request(id), HttpResponse.BodyHandlers.ofByteArray())
				.thenAccept(r -> tell("client", id, r.body().length, r.statusCode()));
	}

	static CompletableFuture<Void> supply(String id) {
		return CompletableFuture.runAsync(() -> call(id), POOLED);
	}

	// --- the calls of a request ---------------------------------------------------------------------

	static void each(List<String> ids) {
		ids.forEach(Truth::call);
	}

	static void eachSent(List<String> ids) throws Exception {
		for (String id : ids)
			send(id);
	}

	static void supplySeq(List<String> ids) throws Exception {
		for (String id : ids)
			supply(id).get();
	}

	static void supplyPar(List<String> ids) throws Exception {
		for (CompletableFuture<Void> f : ids.stream().map(Truth::supply).collect(Collectors.toList()))
			f.get();
	}

	static void allOf(List<String> ids) {
		CompletableFuture.allOf(ids.stream().map(Truth::supply).toArray(CompletableFuture[]::new)).join();
	}

	static void invokeAll(List<String> ids) throws Exception {
		List<Callable<Object>> tasks = new ArrayList<>();

		for (String id : ids)
			tasks.add(Executors.callable(() -> call(id)));
		POOLED.invokeAll(tasks);
	}

	static void thenApply(List<String> ids) throws Exception {
		CompletableFuture<Void> f = CompletableFuture.completedFuture(null);

		for (String id : ids)
			f = f.thenApplyAsync(x -> {
				call(id);
				return null;
			}, POOLED);
		f.get();
	}

	/** Beside the tasks that call there are some that do not: whoever completes a future may have made
	 * its last call for somebody else. */
	static void mixed(List<String> ids) throws Exception {
		List<CompletableFuture<Void>> all = new ArrayList<>();

		for (String id : ids) {
			all.add(supply(id));
			all.add(CompletableFuture.runAsync(() -> id.hashCode(), POOLED));
		}
		Collections.shuffle(all);
		for (CompletableFuture<Void> f : all)
			f.get();
	}

	static void asyncPar(List<String> ids) throws Exception {
		for (CompletableFuture<Void> f : ids.stream().map(Truth::sendAsync).collect(Collectors.toList()))
			f.get();
	}

	static void asyncChain(List<String> ids) throws Exception {
		CompletableFuture<Void> f = CompletableFuture.completedFuture(null);

		for (String id : ids)
			f = f.thenCompose(x -> sendAsync(id));
		f.get();
	}

	static final Map<String, How> HOWS = Map.ofEntries(Map.entry("handler", Truth::each),
			Map.entry("supply-seq", Truth::supplySeq), Map.entry("supply-par", Truth::supplyPar),
			Map.entry("forkjoin", Truth::supplyPar), Map.entry("allof", Truth::allOf),
			Map.entry("invokeall", Truth::invokeAll), Map.entry("thenapply", Truth::thenApply),
			Map.entry("mixed", Truth::mixed),
			Map.entry("send", Truth::eachSent), Map.entry("send-pool", Truth::eachSent),
			Map.entry("async-par", Truth::asyncPar), Map.entry("async-chain", Truth::asyncChain));

	static byte[] serve(String id, String query) {
		List<String> ids = new ArrayList<>();
		int n = 1;

		for (String pair : query.split("&"))
			if (pair.startsWith("n="))
				n = Integer.parseInt(pair.substring(2));
		for (int i = 0; i < n; i++)
			ids.add(id + "." + i);
		try {
			HOWS.get(HOW).make(ids);
		} catch (Exception e) {
			throw new RuntimeException(e);
		}
		tell("server", id, 2, 200);
		return new byte[] {'o', 'k'};
	}

	static int made;

	static void ownCall() {
		String id = "bg-" + System.currentTimeMillis() + "-" + made++;

		try {
			if (HOW.startsWith("send"))
				send(id);
			else if (HOW.startsWith("async"))
				sendAsync(id).get();
			else
				call(id);
		} catch (Exception e) {
			e.printStackTrace();
		}
	}

	// --- the JDK's own server -------------------------------------------------------------------------

	static void handle(HttpExchange x) throws IOException {
		byte[] answer = serve(x.getRequestURI().getPath().substring(3), x.getRequestURI().getRawQuery());

		x.sendResponseHeaders(200, answer.length);
		x.getResponseBody().write(answer);
		x.close();
	}

	static void serveByJdk() throws IOException {
		HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", PORT), 1024);

		server.createContext("/w/", Truth::handle);
		server.setExecutor(Executors.newFixedThreadPool(40));
		server.start();
	}

	public static void main(String[] args) throws Exception {
		int every = Integer.parseInt(System.getenv("BG"));
		String server = System.getenv().getOrDefault("SERVER", "jdk");

		Executors.newSingleThreadScheduledExecutor().scheduleWithFixedDelay(Truth::ownCall, every, every,
				TimeUnit.MILLISECONDS);
		if (server.equals("jdk"))
			serveByJdk();
		else
			Class.forName("Containers").getMethod(server).invoke(null);
	}
}
