//! Where sources lie here: prefixes of compiled paths and what stands for them on this machine.

/// Prefix rules, the longest fitting one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMap {
    rules: Vec<(String, String)>,
}

impl SourceMap {
    /// Rules `(compiled prefix, local prefix)`. A prefix ends at a path component.
    #[must_use]
    pub fn new(mut rules: Vec<(String, String)>) -> Self {
        for (from, to) in &mut rules {
            *from = normal(from);
            *to = normal(to);
        }
        rules.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        Self { rules }
    }

    /// The local path of a compiled one; the same where no rule fits.
    #[must_use]
    pub fn to_local(&self, compiled: &str) -> String {
        let compiled = normal(compiled);
        let mapped = self.rules.iter().find_map(|(from, to)| {
            let rest = strip_components(&compiled, from)?;
            Some(join(to, rest))
        });
        mapped.unwrap_or(compiled)
    }

    /// Whether a path as the user's editor knows it is a compiled one: by the rules, or because one ends with the other's
    /// components (`drivers/xen/sys-hypervisor.c`), which makes a missing rule harmless.
    #[must_use]
    pub fn matches(&self, local: &str, compiled: &str) -> bool {
        let local = normal(local);
        let mapped = self.to_local(compiled);
        if local == mapped {
            return true;
        }
        let is_relative = |path: &str| !path.starts_with('/');
        if is_relative(&local) {
            return ends_with_components(&mapped, &local);
        }
        // An absolute path: a rule that fits the compiled path decides. Without one, a compiled path that is relative may be anywhere.
        let compiled = normal(compiled);
        let has_rule = self
            .rules
            .iter()
            .any(|(from, _)| strip_components(&compiled, from).is_some());
        !has_rule && is_relative(&compiled) && ends_with_components(&local, &compiled)
    }
}

/// Slashes one way, `.` and inner `..` resolved, no slash at the end.
fn normal(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if path.starts_with('/') {
        format!("/{joined}")
    } else {
        joined
    }
}

fn join(folder: &str, rest: &str) -> String {
    match (folder, rest) {
        (folder, "") => folder.to_owned(),
        ("" | ".", rest) => rest.to_owned(),
        ("/", rest) => format!("/{rest}"),
        (folder, rest) => format!("{folder}/{rest}"),
    }
}

/// What follows the prefix, whole components only.
fn strip_components<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    match path.strip_prefix(prefix)? {
        "" => Some(""),
        rest if prefix.is_empty() || prefix.ends_with('/') => Some(rest),
        rest => rest.strip_prefix('/'),
    }
}

fn ends_with_components(path: &str, end: &str) -> bool {
    !end.is_empty()
        && path
            .strip_suffix(end)
            .is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::SourceMap;

    fn map() -> SourceMap {
        let rules = [
            ("/usr/src/linux", "/home/me/linux"),
            ("/usr/src/linux/drivers/xen/", "/home/me/xen-drivers"),
            ("demo", "."),
        ];
        SourceMap::new(
            rules
                .map(|(from, to)| (from.to_owned(), to.to_owned()))
                .to_vec(),
        )
    }

    #[test]
    fn the_longest_rule_maps_whole_components() {
        let check = |compiled: &str, local: &str| assert_eq!(map().to_local(compiled), local);
        check("/usr/src/linux/mm/slab.c", "/home/me/linux/mm/slab.c");
        check(
            "/usr/src/linux/drivers/xen/sys.c",
            "/home/me/xen-drivers/sys.c",
        );
        check(
            "/usr/src/linux-6.1/mm/slab.c",
            "/usr/src/linux-6.1/mm/slab.c",
        );
        check("/usr/src/linux/./a/../b.c", "/home/me/linux/b.c");
        check("demo/src/main.c", "src/main.c");
    }

    #[test]
    fn a_users_path_is_recognised() {
        let check = |local: &str, compiled: &str, expected: bool| {
            assert_eq!(
                map().matches(local, compiled),
                expected,
                "{local} {compiled}"
            );
        };
        check("/home/me/linux/mm/slab.c", "/usr/src/linux/mm/slab.c", true);
        check("mm/slab.c", "/usr/src/linux/mm/slab.c", true);
        check("slab.c", "/usr/src/linux/mm/slab.c", true);
        check("lab.c", "/usr/src/linux/mm/slab.c", false);
        check("/elsewhere/mm/slab.c", "/usr/src/linux/mm/slab.c", false);
        check("/home/me/app/src/main.c", "src/main.c", true);
        check("/home/me/app/src/main.c", "/build/src/main.c", false);
        check("", "/usr/src/linux/mm/slab.c", false);
    }
}
