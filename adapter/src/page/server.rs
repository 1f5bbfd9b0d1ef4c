//! The server: HTTP/1.1 on the loopback interface, for one view.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /TOKEN/`, `/TOKEN/schedule.js`, `/TOKEN/schedule.css` | the page |
//! | `POST /TOKEN/request` | a question of [`answers`], in JSON |
//! | `GET /TOKEN/events` | server-sent events: `hvdap/scheduleChanged` |
//! | `GET /TOKEN/export?format=…` | an export to save |

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, http};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::guard::Guard;
use super::{Shown, answers, download, embedded};

/// The longest question.
const MOST_ASKED: usize = 256 << 10;
/// Connections at a time: a browser has six.
const MOST_CONNECTIONS: usize = 32;
/// How long a browser may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the page is told that there is more.
const TOLD_EACH: Duration = Duration::from_millis(250);
/// Nothing but this server's own files and answers; nobody may put the page into another.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

type Body = UnsyncBoxBody<Bytes, Infallible>;
/// Where pieces of an answer are put that takes its time.
pub(super) type Sender = mpsc::Sender<Bytes>;

/// A page that can be served.
pub struct Page {
    listener: TcpListener,
    served: Arc<Served>,
}

struct Served {
    shown: Shown,
    guard: Guard,
}

impl Page {
    /// Takes a port of this machine; 0 is any.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn new(shown: Shown, port: u16) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("cannot listen on 127.0.0.1:{port}: {error}");
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.map_err(cannot)?;
        let port = listener.local_addr().map_err(cannot)?.port();
        let guard = Guard::new(port)?;
        let served = Arc::new(Served { shown, guard });
        Ok(Self { listener, served })
    }

    /// The address that shows it. Who knows it may look.
    #[must_use]
    pub fn url(&self) -> String {
        self.served.guard.url()
    }

    /// Serves, for ever.
    pub async fn serve(self) {
        let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let served = Arc::clone(&self.served);
                    tokio::spawn(async move {
                        connection(served, stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("a connection failed: {error}");
                    sleep(TOLD_EACH).await;
                }
            }
        }
    }
}

async fn connection(served: Arc<Served>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let served = Arc::clone(&served);
        async move { Ok::<_, Infallible>(answer(&served, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("a browser left: {error}");
    }
}

async fn answer(served: &Arc<Served>, request: Request<Incoming>) -> Response<Body> {
    if !served.guard.is_ours(request.headers()) {
        return refused(StatusCode::FORBIDDEN, "this server has another name");
    }
    let path = request.uri().path().to_owned();
    let Some(name) = served.guard.path(&path) else {
        return refused(StatusCode::NOT_FOUND, "nothing is here");
    };
    match (request.method(), name) {
        (&Method::POST, "request") => asked(served, request).await,
        (&Method::GET, "events") => events(served),
        (&Method::GET, "export") => export(served, request.uri().query().unwrap_or_default()).await,
        (&Method::GET | &Method::HEAD, name) => match embedded::file(name) {
            Some(file) => whole(StatusCode::OK, file.kind, file.content),
            None => refused(StatusCode::NOT_FOUND, "nothing is here"),
        },
        _ => refused(StatusCode::METHOD_NOT_ALLOWED, "this is not done here"),
    }
}

async fn asked(served: &Served, request: Request<Incoming>) -> Response<Body> {
    let body = Limited::new(request.into_body(), MOST_ASKED).collect();
    match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(question)) => {
            let answer = answers::answer(&served.shown, &question.to_bytes()).await;
            whole(StatusCode::OK, "application/json", answer)
        }
        Ok(Err(_)) => refused(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long"),
        Err(_) => refused(StatusCode::REQUEST_TIMEOUT, "the request did not come"),
    }
}

/// Tells, as long as the page listens, when there is more to see.
fn events(served: &Served) -> Response<Body> {
    let shown = served.shown.clone();
    in_pieces("text/event-stream", async move |sender: Sender| {
        let mut told = None;
        while !sender.is_closed() {
            let extent = shown.extent().await;
            if told.replace(extent) != Some(extent)
                && let Some(until) = extent.0
            {
                let body = json!({ "until": until });
                let event = format!("event: hvdap/scheduleChanged\ndata: {body}\n\n");
                if sender.send(event.into()).await.is_err() {
                    return;
                }
            }
            sleep(TOLD_EACH).await;
        }
    })
}

async fn export(served: &Served, query: &str) -> Response<Body> {
    let wanted = match download::Wanted::read(query) {
        Ok(wanted) => wanted,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error),
    };
    let file = match wanted.write(&served.shown).await {
        Ok(file) => file,
        Err(error) => return refused(StatusCode::INTERNAL_SERVER_ERROR, &error),
    };
    let mut response = in_pieces("application/octet-stream", async move |sender: Sender| {
        let sending = tokio::task::spawn_blocking(move || download::send(file, &sender));
        let _ = sending.await;
    });
    let disposition = format!("attachment; filename=\"{}\"", wanted.name());
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn refused(status: StatusCode, why: &str) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", why.to_owned())
}

fn whole(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(content.into()).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    secured(response, kind)
}

/// An answer that `write` makes piece by piece.
fn in_pieces<F, W>(kind: &'static str, write: W) -> Response<Body>
where
    W: FnOnce(Sender) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (pieces, mut queue) = mpsc::channel::<Bytes>(4);
    let (mut body, channel) = Channel::new(4);
    tokio::spawn(write(pieces));
    tokio::spawn(async move {
        while let Some(piece) = queue.recv().await {
            if body.send_data(piece).await.is_err() {
                return;
            }
        }
    });
    secured(Response::new(channel.boxed_unsync()), kind)
}

fn secured(mut response: Response<Body>, kind: &'static str) -> Response<Body> {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            http::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
