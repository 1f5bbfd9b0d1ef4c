//! The files of the page, in the program itself. A test of the extension keeps them fresh.

/// A file: its content and its type.
pub(super) struct File {
    pub(super) content: &'static str,
    pub(super) kind: &'static str,
}

/// The file of this name; the page itself has none.
pub(super) fn file(name: &str) -> Option<File> {
    let (content, kind) = match name {
        "" => (
            include_str!("../../../vscode-extension/page/index.html"),
            "text/html; charset=utf-8",
        ),
        "schedule.js" => (
            include_str!("../../../vscode-extension/page/schedule.js"),
            "text/javascript; charset=utf-8",
        ),
        "schedule.css" => (
            include_str!("../../../vscode-extension/page/schedule.css"),
            "text/css; charset=utf-8",
        ),
        _ => return None,
    };
    Some(File { content, kind })
}
