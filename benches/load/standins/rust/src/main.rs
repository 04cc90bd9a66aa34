//! A bare reverse proxy on hyper: what a gateway written in Rust starts from. No keys, no filter, no counting.
//!
//!     bare-relay ADDRESS UPSTREAM      such as: bare-relay 127.0.0.1:0 127.0.0.1:9999

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;

fn main() {
    // One core, one thread: the scheduler that shares work between threads would only cost.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(serve());
}

async fn serve() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("an address to listen on");
    let upstream = arguments.next().expect("an upstream");
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let listener = TcpListener::bind(address).await.expect("a free address");
    println!("ready on http://{}", listener.local_addr().expect("bound"));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let (client, upstream) = (client.clone(), upstream.clone());
        let relay = service_fn(move |mut request: Request<Incoming>| {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            *request.uri_mut() =
                format!("http://{upstream}{path}").parse::<Uri>().expect("a path that was one");
            request.headers_mut().remove(HOST);
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer upstream-secret"));
            let answer = client.request(request);
            async move {
                answer.await.map_err(|problem| {
                    eprintln!("{}: {problem}", StatusCode::BAD_GATEWAY);
                    problem
                })
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), relay),
        );
    }
}
