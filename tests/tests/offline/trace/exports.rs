//! Exports, read by programs that other people wrote.

use std::path::{Path, PathBuf};
use std::process::Command;

use journeys::python;
use journeys::samples::{Folder, unpacked};
use journeys::skip::skip;
use serde_json::{Value, json};

use super::trace;

/// The real capture, in `folder`.
fn real(folder: &Folder) -> Option<PathBuf> {
    unpacked("traces/xentrace/real-x86-credit2/xentrace.bin.gz", folder)
}

fn export(file: &Path, format: &str, folder: &Folder, more: &[&str]) -> PathBuf {
    let out = folder.path(format);
    let arguments = [
        "--hz",
        "2.4G",
        "--name",
        "14=Guest",
        "--to",
        format,
        "-o",
        out.to_str().expect("plain"),
    ];
    trace("export", file, &[&arguments[..], more].concat());
    out
}

/// The lines of the CSV tables, without headings: spans, marks.
fn tables(file: &Path, folder: &Folder, more: &[&str]) -> [Vec<String>; 2] {
    let out = export(file, "csv", folder, more);
    ["spans.csv", "marks.csv"].map(|name| {
        let text = std::fs::read_to_string(out.join(name)).expect("exported");
        text.lines().skip(1).map(str::to_owned).collect()
    })
}

#[test]
fn babeltrace_reads_the_whole_ctf() {
    let folder = Folder::new("ctf");
    let Some(file) = real(&folder) else { return };
    if Command::new("babeltrace2")
        .arg("--version")
        .output()
        .is_err()
    {
        return skip("no babeltrace2 (Debian's package of that name)");
    }
    let out = export(&file, "ctf", &folder, &[]);
    let read = Command::new("babeltrace2")
        .arg(&out)
        .output()
        .expect("it starts");
    let errors = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success() && errors.is_empty(), "{errors}");
    let [spans, marks] = tables(&file, &folder, &[]);
    let events = String::from_utf8_lossy(&read.stdout).lines().count();
    assert_eq!(events, spans.len() + marks.len());
}

/// Parses with the official classes, and follows the packets as a viewer would.
const PERFETTO: &str = r#"
import json, sys
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as protos
bytes = open(sys.argv[1], "rb").read()
trace = protos.Trace()
trace.ParseFromString(bytes)
assert trace.SerializeToString() == bytes, "not what the official writer would write"
tracks, names, default, open_slice, last = {}, {}, {}, {}, {}
slices = marks = 0
for packet in trace.packet:
    sequence = packet.trusted_packet_sequence_id
    assert sequence, "a packet without a sequence"
    if packet.HasField("track_descriptor"):
        tracks[packet.track_descriptor.uuid] = packet.track_descriptor
        continue
    if packet.sequence_flags & 1:
        names[sequence], default[sequence] = {}, packet.trace_packet_defaults.track_event_defaults.track_uuid
    for name in packet.interned_data.event_names:
        names[sequence][name.iid] = name.name
    if not packet.HasField("track_event"):
        continue
    event = packet.track_event
    track = event.track_uuid if event.HasField("track_uuid") else default[sequence]
    assert track in tracks, "an event on no track"
    if event.type == protos.TrackEvent.TYPE_SLICE_BEGIN:
        assert names[sequence][event.name_iid]
        assert track not in open_slice, "slices overlap"
        assert packet.timestamp >= last.get(track, 0), "time goes back"
        open_slice[track] = packet.timestamp
    elif event.type == protos.TrackEvent.TYPE_SLICE_END:
        assert packet.timestamp >= open_slice.pop(track)
        last[track] = packet.timestamp
        slices += 1
    elif event.type == protos.TrackEvent.TYPE_INSTANT:
        assert names[sequence][event.name_iid]
        marks += 1
assert not open_slice, "a slice does not end"
def path(track):
    parent = tracks.get(track.parent_uuid)
    return (path(parent) if parent else []) + [track.name]
print(json.dumps({"slices": slices, "marks": marks, "tracks": ["/".join(path(t)) for t in tracks.values()]}))
"#;

#[test]
fn perfettos_own_classes_parse_the_export() {
    let folder = Folder::new("perfetto");
    let Some(file) = real(&folder) else { return };
    let out = export(&file, "perfetto", &folder, &["--from", "1s", "--to", "2s"]);
    let Some(read) = python::run("perfetto", PERFETTO, &[out.to_str().expect("plain")]) else {
        return;
    };
    let read: Value = serde_json::from_str(&read).expect("JSON");
    let [spans, marks] = tables(&file, &folder, &["--from", "1s", "--to", "2s"]);
    // Waiting, idle and a machine that goes on leave their track empty.
    let shown = spans
        .iter()
        .filter(|line| !line.contains(",blocked,") && !line.contains(",machine,running,"));
    assert_eq!(read["slices"], shown.count());
    assert_eq!(read["marks"], marks.len());
    let tracks = read["tracks"].as_array().expect("tracks");
    for wanted in [
        "Physical CPUs/pCPU 0",
        "Virtual machines/Guest/Guest/2",
        "Virtual machines/Dom0/Dom0/7",
    ] {
        assert!(
            tracks.iter().any(|track| track == wanted),
            "{tracks:?} lacks {wanted}"
        );
    }
}

/// The parts of the Trace Event Format that are written, closed.
fn chrome_schema() -> Value {
    let time = json!({ "type": "number", "minimum": 0 });
    let (number, name) = (
        json!({ "type": "integer", "minimum": 0 }),
        json!({ "type": "string", "minLength": 1 }),
    );
    let event = |phase: &str, properties: Value, required: &[&str]| {
        let mut properties = properties;
        properties["ph"] = json!({ "const": phase });
        properties["pid"] = number.clone();
        properties["tid"] = number.clone();
        let required: Vec<&str> = ["ph", "pid", "name"]
            .iter()
            .chain(required)
            .copied()
            .collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    };
    let metadata = json!({
        "name": { "enum": ["process_name", "thread_name"] },
        "args": { "type": "object", "properties": { "name": name }, "required": ["name"], "additionalProperties": false },
    });
    json!({
        "type": "object",
        "properties": {
            "displayTimeUnit": { "enum": ["ms", "ns"] },
            "traceEvents": { "type": "array", "items": { "oneOf": [
                event("M", metadata, &["args"]),
                event("X", json!({ "name": name, "ts": time, "dur": time, "args": { "type": "object" } }), &["ts", "dur", "tid"]),
                event("i", json!({ "name": name, "ts": time, "s": { "enum": ["g", "p", "t"] }, "args": { "type": "object" } }),
                    &["ts", "s", "tid"]),
            ] } },
        },
        "required": ["traceEvents"],
        "additionalProperties": false,
    })
}

#[test]
fn chrome_json_keeps_to_its_format() {
    let folder = Folder::new("chrome");
    let Some(file) = real(&folder) else { return };
    let more = ["--from", "1s", "--to", "1.2s"];
    let out = export(&file, "chrome", &folder, &more);
    let document = std::fs::read(out).expect("exported");
    let document: Value = serde_json::from_slice(&document).expect("JSON");
    let validator = jsonschema::validator_for(&chrome_schema()).expect("a schema");
    let wrong: Vec<String> = validator
        .iter_errors(&document)
        .take(3)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let events = document["traceEvents"].as_array().expect("events");
    let of_phase = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
    let [spans, marks] = tables(&file, &folder, &more);
    let shown = spans
        .iter()
        .filter(|line| !line.contains(",blocked,") && !line.contains(",machine,running,"));
    assert_eq!((of_phase("X"), of_phase("i")), (shown.count(), marks.len()));
}

/// Reads both tables of both exports with DuckDB, and says where they differ.
const PARQUET: &str = r#"
import duckdb, json, sys
parquet, csv = sys.argv[1:]
def rows(query):
    return duckdb.sql(query).fetchall()
spans, marks = (f"'{parquet}/{table}.parquet'" for table in ("spans", "marks"))
theirs, marked = (f"read_csv('{csv}/{table}.csv', header = true)" for table in ("spans", "marks"))
sums = "count(*), sum(start_ticks % 1000003), sum(end_ticks % 1000003), sum(start_ns), sum(duration_ns)"
ours = rows(f"SELECT name, state, coalesce(cause, ''), coalesce(caused_by, ''), {sums} FROM {spans} GROUP BY ALL ORDER BY ALL")
other = rows(f"""SELECT owner, state, coalesce(cause, ''), coalesce("by", ''), {sums} FROM {theirs} GROUP BY ALL ORDER BY ALL""")
assert ours == other, (ours[:3], other[:3])
sums = "count(*), sum(ticks % 1000003), sum(ns), sum(value)"
ours_marks = rows(f"SELECT name, mark, {sums} FROM {marks} GROUP BY ALL ORDER BY ALL")
other_marks = rows(f"SELECT owner, mark, {sums} FROM {marked} GROUP BY ALL ORDER BY ALL")
assert ours_marks == other_marks, (ours_marks[:3], other_marks[:3])
steal = rows(f"""
    SELECT vm, vcpu, round(100 * sum(duration_ns) FILTER (state = 'runnable') / sum(duration_ns), 2) AS steal
    FROM {spans} WHERE kind = 'vcpu' GROUP BY vm, vcpu ORDER BY steal DESC NULLS LAST""")
kinds = rows(f"SELECT DISTINCT kind FROM {spans} ORDER BY kind")
print(json.dumps({"spans": rows(f"SELECT count(*) FROM {spans}")[0][0], "steal": steal, "kinds": kinds,
    "marks": rows(f"SELECT count(*) FROM {marks}")[0][0]}))
"#;

#[test]
fn duckdb_reads_the_parquet() {
    let folder = Folder::new("parquet");
    let Some(file) = real(&folder) else { return };
    let out = export(&file, "parquet", &folder, &[]);
    let [spans, marks] = tables(&file, &folder, &[]);
    let arguments = [out, folder.path("csv")].map(|path| path.display().to_string());
    let Some(read) = python::run("duckdb", PARQUET, &[&arguments[0], &arguments[1]]) else {
        return;
    };
    let read: Value = serde_json::from_str(&read).expect("JSON");
    assert_eq!(
        (&read["spans"], &read["marks"]),
        (&spans.len().into(), &marks.len().into())
    );
    assert_eq!(read["kinds"], json!([["machine"], ["pcpu"], ["vcpu"]]));
    assert_eq!(read["steal"].as_array().map(Vec::len), Some(13));
}
