//! One DAP client's life: connected, initialised, attached, configured, ended.
//!
//! One queue per client keeps requests in order; what must not wait (answers to our own requests, `cancel`, `pause`) is
//! done as it is read. Start at [`serve`]; a [`Session`] is what the rest of the program sees of a client.

mod session;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::hub::{Ending, Hub};
use crate::requests;
use crate::wire::{self, Frames, Incoming, Peer, Request};

pub use session::{Attached, Role, Session, Shows};

/// How long requests that were sent before the client left may take.
const LAST_REQUESTS: Duration = Duration::from_secs(10);
/// How long the last messages may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By standard input and output: another session needs another process.
    Stdio,
    /// By a server that takes more connections.
    Tcp,
}

/// Serves one client until it leaves, is told to, or the hub closes.
pub async fn serve(
    hub: Arc<Hub>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Send + Unpin + 'static,
    transport: Transport,
) {
    let _connected = hub.connected();
    let (peer, queue) = Peer::new(hub.trace());
    let writer = tokio::spawn(wire::write_all(queue, output));
    let session = Session::new(Arc::clone(&hub), Arc::clone(&peer), transport);
    let (requests, queued) = mpsc::unbounded_channel();
    let mut worker = tokio::spawn(work(Arc::clone(&session), queued));
    let left = tokio::select! {
        result = read(&session, input, requests) => {
            if let Err(error) = result {
                tracing::warn!("a client's messages cannot be told apart any more: {error}");
            }
            true
        }
        _ = &mut worker => false,
        () = hub.closed() => {
            session.end_shown();
            false
        }
    };
    if left
        && tokio::time::timeout(LAST_REQUESTS, &mut worker)
            .await
            .is_err()
    {
        tracing::warn!("a request of a client that left was given up");
    }
    worker.abort();
    session.leave(Ending::Configured).await;
    peer.close();
    let _ = tokio::time::timeout(LAST_WORDS, writer).await;
}

/// Reads messages: queues requests, does at once what must not wait. Returns at the end of the stream.
async fn read(
    session: &Arc<Session>,
    input: impl AsyncRead + Unpin,
    requests: mpsc::UnboundedSender<Request>,
) -> io::Result<()> {
    let mut frames = Frames::new(input);
    while let Some(body) = frames.next().await? {
        session.peer.received(&body);
        match Incoming::parse(&body) {
            Ok(Incoming::Response(response)) => session.peer.answered(response),
            Ok(Incoming::Request(request)) if requests::is_urgent(&request) => {
                let session = Arc::clone(session);
                tokio::spawn(async move { requests::answer(&session, request).await });
            }
            Ok(Incoming::Request(request)) => {
                let _ = requests.send(request);
            }
            Err(reason) => session.say(true, &format!("ignored {reason}")),
        }
    }
    Ok(())
}

/// Answers requests in order until the session ends.
async fn work(session: Arc<Session>, mut queued: mpsc::UnboundedReceiver<Request>) {
    while let Some(request) = queued.recv().await {
        requests::answer(&session, request).await;
        if session.is_left() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
