//! The schema files of `schemas/`, made from the types that cross the border; a test keeps them fresh.

use std::fs;
use std::path::Path;

use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

use crate::config::{Attach, Machine};
use crate::hub::Standing;
use crate::report::translation::Translation;
use crate::report::{Loads, Stacks, Vms};
use crate::requests::custom::{BreakpointStats, Focus, Groups, Subscribe};
use crate::requests::machine::MachineOverview;
use crate::requests::schedule::{Because, TraceControl};
use crate::requests::snapshot::{Saved, Snapshot};
use crate::requests::translate::Translate;
use crate::trace::asked::{About, Wanted, WantedStats, WantedWhy};
use crate::trace::export::{Exported, WantedExport};
use crate::trace::find::{Found, WantedFind};
use crate::trace::window::Schedule;
use crate::trace::{info::Info, stats::Stats, why::Why};

/// Compares a committed schema file with the type's; with `UPDATE_EXPECT=1`, writes it.
fn check<T: JsonSchema>(name: &str) {
    let schema = without_nulls(schema_for!(T).to_value());
    let fresh = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../schemas")
        .join(format!("{name}.schema.json"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&file, &fresh).expect("the schema file can be written");
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        committed,
        fresh,
        "{} is stale: run the tests with UPDATE_EXPECT=1 and review the difference",
        file.display()
    );
}

/// What is optional is left out, not null: takes the null alternatives out that the derive adds.
fn without_nulls(schema: Value) -> Value {
    let null = json!({ "type": "null" });
    match schema {
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (key, value) in fields {
                match (key.as_str(), without_nulls(value)) {
                    ("default", Value::Null) => {}
                    ("type", Value::Array(types)) if types.contains(&json!("null")) => {
                        let mut rest = types.into_iter().filter(|one| *one != "null");
                        kept.extend(rest.next().map(|one| (key, one)));
                    }
                    ("anyOf", Value::Array(choices)) if choices.contains(&null) => {
                        let mut rest = choices.into_iter().filter(|one| *one != null);
                        if let Some(Value::Object(one)) = rest.next() {
                            kept.extend(one);
                        }
                    }
                    (_, value) => {
                        kept.insert(key, value);
                    }
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        plain => plain,
    }
}

#[test]
fn schema_files_are_fresh() {
    check::<Attach>("launch");
    check::<Machine>("machine");
    check::<Vms>("vms");
    check::<Stacks>("stack");
    check::<Info>("trace-info");
    check::<Stats>("trace-stats");
    check::<Why>("trace-why");
    check::<Loads>("loads");
    check::<BreakpointStats>("breakpoint-stats");
    check::<Groups>("groups");
    check::<Subscribe>("subscribe");
    check::<Focus>("focus.arguments");
    check::<MachineOverview>("machine-overview");
    check::<Snapshot>("snapshot.arguments");
    check::<Saved>("snapshot");
    check::<Translate>("translate.arguments");
    check::<Translation>("translate");
    check::<TraceControl>("trace-control.arguments");
    check::<Standing>("trace-control");
    check::<Wanted>("schedule.arguments");
    check::<Schedule>("schedule");
    check::<WantedStats>("schedule-stats.arguments");
    check::<WantedFind>("schedule-find.arguments");
    check::<Found>("schedule-find");
    check::<About>("trace-about");
    check::<WantedExport>("trace-export.arguments");
    check::<Exported>("trace-export");
    check::<WantedWhy>("why.arguments");
    check::<Because>("why");
}
