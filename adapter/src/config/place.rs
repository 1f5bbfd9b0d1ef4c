//! Where in the machine file a key stands, for messages a user can click on.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

/// One step from a table to what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The value of a key.
    Key(&'static str),
    /// An element of an array.
    Index(usize),
}

/// What the settings were read from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A file with this text.
    File { path: PathBuf, text: String },
    /// The arguments of a request.
    Arguments,
}

impl Origin {
    /// `hvdap.toml:6:9` for the value at `steps`, `machine.vm[0].image` for arguments.
    pub(super) fn of(&self, steps: &[Step]) -> String {
        match self {
            Self::File { path, text } => {
                let at = span(text, steps).map_or(0, |span| span.start);
                self.at(path, text, at)
            }
            Self::Arguments => steps
                .iter()
                .fold("machine".to_owned(), |name, step| match step {
                    Step::Key(key) => format!("{name}.{key}"),
                    Step::Index(index) => format!("{name}[{index}]"),
                }),
        }
    }

    /// `hvdap.toml:6:9` for an offset of the text.
    pub(super) fn at(&self, path: &Path, text: &str, offset: usize) -> String {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        format!("{}:{line}:{column}", path.display())
    }
}

/// The bytes of the value at `steps`, or of the last one on the way that exists.
fn span(text: &str, steps: &[Step]) -> Option<Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    let mut found = table.span();
    let mut value = DeValue::Table(table.into_inner());
    for step in steps {
        let next = match (step, value) {
            (Step::Key(key), DeValue::Table(mut table)) => table.remove(*key),
            (Step::Index(index), DeValue::Array(array)) => array.into_iter().nth(*index),
            _ => None,
        };
        let Some(next) = next else { break };
        found = next.span();
        value = next.into_inner();
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_line_and_a_column() {
        let text = "[target]\nconnect = 'x'\n\n[[vm]]\nname = 'a'\n[[vm]]\n  image = 'b'\n";
        let file = Origin::File {
            path: "m.toml".into(),
            text: text.to_owned(),
        };
        let check = |steps: &[Step], expected: &str| assert_eq!(file.of(steps), expected);
        check(
            &[Step::Key("vm"), Step::Index(1), Step::Key("image")],
            "m.toml:7:11",
        );
        check(&[Step::Key("target"), Step::Key("connect")], "m.toml:2:11");
        check(
            &[Step::Key("vm"), Step::Index(0), Step::Key("image")],
            "m.toml:4:1",
        );
        assert_eq!(
            Origin::Arguments.of(&[Step::Key("vm"), Step::Index(1), Step::Key("image")]),
            "machine.vm[1].image"
        );
    }
}
