//! The schedule view as a page for a browser: what `hvdap trace view` serves, on this machine only.
//!
//! The page is the bundle of `vscode-extension/page/`, the same that VS Code shows. It asks as an editor does, by the names of our
//! custom requests. Whoever knows the address may look, so the address has a secret in it. Start reading at [`server`].

pub mod answers;
mod download;
mod embedded;
mod guard;
pub mod server;
mod shown;

pub use shown::Shown;
