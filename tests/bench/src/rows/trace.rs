//! Recorded traces: from a file to a timeline with its index, windows of it, exports, and the memory all that takes.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use hvdap::trace::columns::FileColumns;
use hvdap::trace::export::{self, Format};
use hvdap::trace::open::{Recording, Request, open};
use journeys::samples::Folder;
use journeys::xentrace;
use machine::{GuestId, Pcpu, Vcpu};
use trace::clock::Frequency;
use trace::store::{Catalog, Owner, Party, Span, State, View, Writer};
use trace::window::{Window, window};

use crate::Effort;
use crate::table::{Bound, Gdb, Row, Unit, median};

/// Records of the file.
const RECORDS: usize = 10_000_000;
/// What is drawn: as many lanes as fit a screen, and its width.
const LANES: u16 = 24;
const WIDTH: usize = 2000;

/// Measures both the way of a file, and a large timeline.
pub(crate) fn measure(effort: Effort) -> Vec<Row> {
    let folder = Folder::new("bench-trace");
    let file = folder.path("busy.xentrace");
    xentrace::busy(&file, RECORDS).expect("there is room for temporary files");
    // First, for memory that was used and given back would count.
    let timeline = of_a_timeline(&folder, effort);
    let mut rows = of_a_file(&folder, &file, effort);
    rows.extend(timeline);
    rows
}

fn of_a_file(folder: &Folder, file: &Path, effort: Effort) -> Vec<Row> {
    let runs = effort.runs.min(5);
    // Once for the page cache.
    drop(opened(file, &folder.path("index-warm"), &mut || {}));
    let (mut speeds, mut firsts) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let (cpu, wall, mut first) = (cpu_seconds(), Instant::now(), None);
        drop(opened(
            file,
            &folder.path(&format!("index-{run}")),
            &mut || {
                first.get_or_insert(wall.elapsed().as_secs_f64());
            },
        ));
        speeds.push(RECORDS as f64 / (cpu_seconds() - cpu));
        firsts.extend(first);
    }
    let again = || {
        let began = Instant::now();
        let recording = opened(file, &folder.path("index-0"), &mut || {});
        draw(recording.view(), 1, 0.0);
        began.elapsed().as_secs_f64()
    };
    let again = median((0..effort.runs).map(|_| again()).collect());
    let recording = opened(file, &folder.path("index-0"), &mut || {});
    let row = |what: &str, unit, ours, bound| Row::new(what, unit, ours, Some(bound), Gdb::No);
    let build = median(speeds);
    vec![
        row(
            "xentrace file to timeline with index, 10⁷ records, one core",
            Unit::MillionsPerSecond,
            build,
            Bound::Least(20e6),
        ),
        beside_xenalyze(file, build),
        row(
            "first answer of a file just opened, without an index",
            Unit::Seconds,
            median(firsts),
            Bound::Most(0.1),
        ),
        row(
            "first answer of a file just opened, with its index",
            Unit::Seconds,
            again,
            Bound::Most(0.1),
        ),
        row(
            "export to Perfetto, spans",
            Unit::MillionsPerSecond,
            exported(&recording, Format::Perfetto, &folder.path("out.pftrace")),
            Bound::Least(2e6),
        ),
        Row::new(
            "  export to Parquet, spans",
            Unit::MillionsPerSecond,
            exported(&recording, Format::Parquet, &folder.path("out.parquet")),
            None,
            Gdb::No,
        ),
    ]
}

/// Opens a file with its index in a folder; each look at what is ready so far draws it.
fn opened(file: &Path, index: &Path, drawn: &mut dyn FnMut()) -> Recording {
    let request = Request {
        file,
        index: Some(index),
        frequency: Frequency::new(62_500_000),
        guests: &[],
        in_files: false,
    };
    let mut first = true;
    let recording = open(&request, &mut |growth| {
        if std::mem::take(&mut first) {
            draw(growth.timeline.view(), 1, 0.0);
            drawn();
        }
        ControlFlow::Continue(())
    });
    recording.expect("it is a trace")
}

fn beside_xenalyze(file: &Path, ours: f64) -> Row {
    let what = "  beside it: xenalyze's summary of the same file";
    let Some(folder) = std::env::var_os("HVDAP_XENALYZE") else {
        return Row::new(what, Unit::MillionsPerSecond, ours, None, Gdb::No);
    };
    let program = PathBuf::from(folder).join("xenalyze");
    let took = || {
        let before = children_seconds();
        let run = Command::new(&program)
            .args(["-s", "--cpu-hz=62500000"])
            .arg(file)
            .output();
        run.expect("xenalyze starts");
        children_seconds() - before
    };
    let theirs = RECORDS as f64 / median((0..3).map(|_| took()).collect());
    let row = Row::new(
        what,
        Unit::MillionsPerSecond,
        ours,
        None,
        Gdb::Value(theirs),
    );
    row.must_beat_other("xenalyze", 5.0)
}

/// Spans a second of processor time.
fn exported(recording: &Recording, format: Format, output: &Path) -> f64 {
    let view = recording.view();
    let export = trace::export::Export {
        view,
        from: view.first(),
        to: view.until(),
        name: &|owner| format!("{owner:?}"),
        guest: &|guest| format!("{guest:?}"),
    };
    let before = cpu_seconds();
    export::write(&export, format, output).expect("there is room");
    spans_of(view) as f64 / (cpu_seconds() - before)
}

fn spans_of(view: View<'_>) -> usize {
    let lanes = 0..view.owners().len() as u16;
    lanes.map(|lane| view.lane(lane).len()).sum()
}

/// A timeline of many spans in files: what it takes, and how fast it is drawn.
fn of_a_timeline(folder: &Folder, effort: Effort) -> Vec<Row> {
    let place = folder.path("timeline");
    let columns = FileColumns::create(&place).expect("there is room");
    let mut most = 0;
    write_timeline(columns, effort.spans, &mut || {
        most = most.max(private_memory())
    });
    let columns = FileColumns::open(&place).expect("written");
    let catalog = Catalog::open(&columns).expect("a store");
    let view = catalog.view(&columns);
    let drawn = [1, 4, 10, 100, 1000].map(|part| {
        let moments = (0..effort.runs.max(20)).map(|n| n as f64 / effort.runs.max(20) as f64);
        median(
            moments
                .map(|moment| timed_draw(view, part, moment))
                .collect(),
        )
    });
    most = most.max(private_memory());
    let (spans, summaries) = sizes(&place);
    let million = effort.spans / 1_000_000;
    let row = |what: String, unit, ours, bound| Row::new(&what, unit, ours, Some(bound), Gdb::No);
    vec![
        row(
            format!(
                "window of 24 lanes × 2,000 px over {million} M spans, p50 at the slowest zoom"
            ),
            Unit::Seconds,
            drawn.into_iter().fold(0.0, f64::max),
            Bound::Most(0.010),
        ),
        row(
            "index, of the size of the spans".to_owned(),
            Unit::Share,
            summaries as f64 / spans as f64,
            Bound::Most(0.15),
        ),
        row(
            format!("private memory while {million} M spans are written and drawn"),
            Unit::Megabytes,
            most as f64 / 1e6,
            Bound::Most(200.0),
        ),
    ]
}

fn write_timeline(columns: FileColumns, spans: usize, look: &mut dyn FnMut()) {
    let mut writer = Writer::new(Box::new(columns), 62_500_000, 0).expect("there is room");
    for lane in 0..LANES {
        let number = u32::from(lane);
        let vcpu = Vcpu {
            guest: GuestId(number / 4),
            index: number % 4,
        };
        let owner = if lane < 8 {
            Owner::Pcpu(Pcpu(lane))
        } else {
            Owner::Vcpu(vcpu)
        };
        writer.add_lane(owner);
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut times = [0_u64; LANES as usize];
    for round in 0..spans / usize::from(LANES) {
        for lane in 0..LANES {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let time = &mut times[usize::from(lane)];
            let state = State::from_bits(((random >> 33) % 6) as u32);
            writer.push(
                lane,
                Span::new(*time, state, Party((random >> 8) as u16 % 16)),
            );
            let longer = if (random >> 50).is_multiple_of(50) {
                30
            } else {
                1
            };
            *time += 50 + (random >> 20) % 1200 * longer;
        }
        if round % (1 << 16) == 0 {
            look();
        }
    }
    let until = times.iter().max().copied().unwrap_or(0);
    writer.publish(until).expect("there is room");
    look();
}

fn timed_draw(view: View<'_>, part: u64, moment: f64) -> f64 {
    // Once for the page cache and the maps.
    draw(view, part, moment);
    let began = Instant::now();
    draw(view, part, moment);
    began.elapsed().as_secs_f64()
}

/// Draws this part of a timeline, from a moment between its beginning and its end on.
fn draw(view: View<'_>, part: u64, moment: f64) {
    let all = view.until() - view.first();
    let length = (all / part).max(1);
    let from = view.first() + ((all - length) as f64 * moment) as u64;
    let lanes: Vec<u16> = (0..view.owners().len().min(usize::from(LANES)) as u16).collect();
    let request = Window {
        from,
        to: from + length,
        width: WIDTH,
    };
    std::hint::black_box(window(view, &lanes, request));
}

/// Bytes of the spans, and of the summaries above them.
fn sizes(folder: &Path) -> (u64, u64) {
    let files = std::fs::read_dir(folder).expect("it is there").flatten();
    let sized = files.map(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        (name, file.metadata().map_or(0, |about| about.len()))
    });
    let sized: Vec<(String, u64)> = sized.collect();
    let sum = |kind: &str| {
        let of_kind = sized.iter().filter(|(name, _)| name.starts_with(kind));
        of_kind.map(|(_, size)| size).sum()
    };
    (sum("spans-"), sum("nodes-"))
}

/// Bytes of this process that belong to no file.
fn private_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Processor time of this thread so far.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    nanoseconds.map_or(f64::NAN, |nanoseconds| nanoseconds / 1e9)
}

/// Processor time of children that have ended: fields 16 and 17 of the state, in hundredths of a second (proc(5)).
fn children_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let fields = after.split_whitespace().skip(13).take(2);
    fields
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
