// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Truth.java behind other servers: Tomcat and Jetty embedded (a thread per request), and Netty, whose
// event loops hand each request to a pool of threads.
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.File;
import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

public class Containers {
	@SuppressWarnings("serial")
	public static class Servlet extends HttpServlet {
		@Override
		protected void doGet(HttpServletRequest in, HttpServletResponse out) throws IOException {
			byte[] answer = Truth.serve(in.getRequestURI().substring(3), in.getQueryString());

			out.setContentLength(answer.length);
			out.getOutputStream().write(answer);
		}
	}

	public static void tomcat() throws Exception {
		File base = new File("tomcat").getAbsoluteFile();
		Tomcat tomcat = new Tomcat();
		Connector connector = new Connector();

		base.mkdir();
		tomcat.setBaseDir(base.getPath());
		connector.setPort(Truth.PORT);
		connector.setProperty("address", "127.0.0.1");
		connector.setProperty("maxThreads", "40");
		tomcat.setConnector(connector);
		Context context = tomcat.addContext("", base.getPath());
		Tomcat.addServlet(context, "truth", new Servlet());
		context.addServletMappingDecoded("/w/*", "truth");
		tomcat.start();
	}

	public static void jetty() throws Exception {
		Server server = new Server(new QueuedThreadPool(40));
		ServerConnector connector = new ServerConnector(server);

		connector.setHost("127.0.0.1");
		connector.setPort(Truth.PORT);
		server.addConnector(connector);
		server.setHandler(new Handler.Abstract() {
			@Override
			public boolean handle(Request in, Response out, Callback done) {
				byte[] answer = Truth.serve(in.getHttpURI().getPath().substring(3), in.getHttpURI().getQuery());

				Content.Sink.write(out, true, new String(answer), done);
				return true;
			}
		});
		server.start();
	}

	static class OnNetty extends SimpleChannelInboundHandler<FullHttpRequest> {
		static final ExecutorService HANDLERS = Executors.newFixedThreadPool(40);

		@Override
		protected void channelRead0(ChannelHandlerContext context, FullHttpRequest in) {
			String[] uri = in.uri().substring(3).split("\\?", 2);

			HANDLERS.submit(() -> {
				byte[] answer = Truth.serve(uri[0], uri.length > 1 ? uri[1] : "");
				FullHttpResponse out = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1,
						HttpResponseStatus.OK, Unpooled.wrappedBuffer(answer));

				out.headers().set(HttpHeaderNames.CONTENT_LENGTH, answer.length);
				context.writeAndFlush(out);
			});
		}
	}

	public static void netty() throws Exception {
		new ServerBootstrap().group(new NioEventLoopGroup(2)).channel(NioServerSocketChannel.class)
				.childHandler(new ChannelInitializer<SocketChannel>() {
					@Override
					protected void initChannel(SocketChannel channel) {
						channel.pipeline().addLast(new HttpServerCodec(), new HttpObjectAggregator(65536),
								new OnNetty());
					}
				}).bind("127.0.0.1", Truth.PORT).sync();
	}
}
