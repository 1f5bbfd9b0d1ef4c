//! `hvdap dap`: serves editors until they leave or it is told to end.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::connection::{self, Transport};
use crate::hub::Hub;
use crate::wire::Trace;

/// How long a server that serves one editor waits for another connection of it.
const LINGER: Duration = Duration::from_secs(3);
/// How often it looks whether whoever started it still lives.
const LOOK: Duration = Duration::from_secs(1);
/// How long machines may take to be given back at the end.
const GOODBYE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Serve TCP connections on this address; port 0 picks one. `listening on ADDR` is printed to standard error once they are taken.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// End some seconds after the last connection ended, or when whoever started this ended.
    #[arg(long, requires = "listen")]
    once: bool,
    /// Record every message both ways, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

pub(super) async fn serve(arguments: Arguments) -> Result<(), String> {
    let trace = arguments.trace.as_deref().map(Trace::create).transpose();
    let trace = trace.map_err(|error| format!("the trace file cannot be written: {error}"))?;
    let hub = Hub::new(trace.map(Arc::new));
    let ended = end_by_signal(&hub)?;
    match &arguments.listen {
        None => {
            let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
            connection::serve(Arc::clone(&hub), input, output, Transport::Stdio).await;
        }
        Some(address) => listen(&hub, address, arguments.once).await?,
    }
    ended.abort();
    Ok(())
}

/// Ctrl-C and SIGTERM give every machine back before the program ends.
fn end_by_signal(hub: &Arc<Hub>) -> Result<tokio::task::JoinHandle<()>, String> {
    let no_signals = |error| format!("signals cannot be received: {error}");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let hub = Arc::clone(hub);
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        hub.close();
    }))
}

async fn listen(hub: &Arc<Hub>, address: &str, once: bool) -> Result<(), String> {
    let address = match address.parse::<u16>() {
        Ok(port) => format!("127.0.0.1:{port}"),
        Err(_) => address.to_owned(),
    };
    let cannot = |error| format!("cannot listen on {address}: {error}");
    let listener = TcpListener::bind(&address).await.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    let _ = writeln!(std::io::stderr(), "listening on {bound}");
    let serving = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let (input, output) = stream.into_split();
                    tokio::spawn(connection::serve(
                        Arc::clone(hub),
                        input,
                        output,
                        Transport::Tcp,
                    ));
                }
                Err(error) => {
                    tracing::warn!("a connection failed: {error}");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = hub.closed() => {}
        () = unused(hub), if once => {}
    }
    hub.close();
    let _ = tokio::time::timeout(GOODBYE, hub.idle()).await;
    Ok(())
}

/// Waits until the editor that started this server has left, or is gone.
async fn unused(hub: &Hub) {
    let parent = std::os::unix::process::parent_id();
    let mut idle = Duration::ZERO;
    loop {
        tokio::time::sleep(LOOK).await;
        if hub.connections() > 0 {
            idle = Duration::ZERO;
            continue;
        }
        idle += LOOK;
        let orphaned = std::os::unix::process::parent_id() != parent;
        if orphaned || hub.was_used() && idle >= LINGER {
            return;
        }
    }
}
