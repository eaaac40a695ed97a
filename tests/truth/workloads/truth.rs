// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//! The truth workload on tokio (axum, reqwest): /w/ID?n=N makes N calls to $DOWN, one after the
//! other or, with par=1, at the same time, and prints what it did. HOW: inline (in the request's
//! task) or spawn (a task for each call); POOL: how many calls at once, BG: milliseconds between
//! calls of the program's own.
use axum::{extract::Path, extract::RawQuery, extract::State, routing::get, Router};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

struct Calls {
    client: reqwest::Client,
    down: String,
    spawn: bool,
    pool: Semaphore,
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn tell(side: &str, id: &str, resp: usize, status: u16) {
    println!(
        "{{\"side\": \"{side}\", \"id\": \"{id}\", \"pid\": {}, \"method\": \"GET\", \"req\": 0, \
         \"resp\": {resp}, \"status\": {status}}}",
        std::process::id()
    );
}

async fn call(calls: Arc<Calls>, id: String) {
    let _turn = calls.pool.acquire().await.unwrap();
    let url = format!("http://127.0.0.1:{}/w/{id}", calls.down);
    let answer = calls.client.get(url).send().await.unwrap();
    let status = answer.status().as_u16();
    let got = answer.bytes().await.unwrap();
    tell("client", &id, got.len(), status);
}

async fn start(calls: Arc<Calls>, id: String) {
    if calls.spawn {
        tokio::spawn(call(calls, id)).await.unwrap();
    } else {
        call(calls, id).await;
    }
}

async fn serve(State(calls): State<Arc<Calls>>, Path(id): Path<String>, RawQuery(query): RawQuery) -> &'static str {
    let query = query.unwrap_or_default();
    let n = query.split('&').find_map(|x| x.strip_prefix("n=")).map_or(1, |x| x.parse().unwrap());
    let all = (0..n).map(|i| start(calls.clone(), format!("{id}.{i}")));

    if query.contains("par=1") {
        futures::future::join_all(all).await;
    } else {
        for one in all {
            one.await;
        }
    }
    tell("server", &id, 2, 200);
    "ok"
}

async fn background(calls: Arc<Calls>, every: u64) {
    for i in 0.. {
        tokio::time::sleep(Duration::from_millis(every)).await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        call(calls.clone(), format!("bg-{}-{i}", now.as_millis())).await;
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let calls = Arc::new(Calls {
        client: reqwest::Client::new(),
        down: env("DOWN"),
        spawn: env("HOW") == "spawn",
        pool: Semaphore::new(env("POOL").parse().unwrap_or(100)),
    });
    if let Ok(every) = env("BG").parse() {
        tokio::spawn(background(calls.clone(), every));
    }
    let app = Router::new().route("/w/:id", get(serve)).with_state(calls);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{}", env("PORT"))).await.unwrap();
    axum::serve(listener, app).await.unwrap();
}
