// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Every request makes three calls to $DOWN, one after the other, on a pool of 64 threads: the JDK's
// httpserver and HttpURLConnection.
import com.sun.net.httpserver.HttpServer;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URL;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

public class Calls {
    public static void main(String[] args) throws Exception {
        URL down = URI.create("http://127.0.0.1:" + System.getenv("DOWN") + "/w/x").toURL();
        ExecutorService pool = Executors.newFixedThreadPool(64);
        HttpServer server = HttpServer.create(
            new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 1024);

        server.setExecutor(Executors.newFixedThreadPool(32));
        server.createContext("/w/", exchange -> {
            try {
                for (int i = 0; i < 3; i++) {
                    pool.submit(() -> {
                        HttpURLConnection call = (HttpURLConnection) down.openConnection();
                        call.getInputStream().readAllBytes();
                        return null;
                    }).get();
                }
                exchange.sendResponseHeaders(200, 2);
                exchange.getResponseBody().write("ok".getBytes());
            } catch (Exception e) {
                exchange.sendResponseHeaders(502, -1);
            }
            exchange.close();
        });
        server.start();
    }
}
