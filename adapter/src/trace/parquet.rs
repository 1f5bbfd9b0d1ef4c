//! Apache Parquet: one table of spans, one of marks, for DuckDB, Spark, DataFusion and whatever else reads columns.
//!
//! The columns are described in `schemas/trace-parquet.md`. A group of [`ROWS`] rows is held in memory at a time.

use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::ColumnPath;
use trace::export::Export;
use trace::store::{Flags, Owner, Party};

/// Rows of a group.
const ROWS: usize = 1 << 17;

/// What both tables begin with: whose row it is.
const OWNER: &str = "
    required int32 lane (INTEGER(16, false));
    required binary name (STRING);
    required binary kind (STRING);
    optional binary vm (STRING);
    optional int32 guest (INTEGER(32, false));
    optional int32 vcpu (INTEGER(32, false));
    optional int32 task (INTEGER(32, false));
    optional int32 pcpu (INTEGER(16, false));
    optional binary with_vcpu (STRING);";

/// What the table of spans has besides.
const SPANS: &str = "
    required binary state (STRING);
    required int64 start_ticks (INTEGER(64, false));
    required int64 end_ticks (INTEGER(64, false));
    required int64 start_ns;
    required int64 duration_ns;
    optional binary cause (STRING);
    optional binary caused_by (STRING);
    optional int32 caused_on (INTEGER(16, false));
    required boolean migrated;
    required boolean deadline_missed;
    required boolean contradicted;";

/// What the table of marks has besides.
const MARKS: &str = "
    required binary mark (STRING);
    required int64 ticks (INTEGER(64, false));
    required int64 ns;
    required int64 value (INTEGER(64, false));
    optional binary caused_by (STRING);
    optional int32 caused_on (INTEGER(16, false));";

/// Columns whose values go forward: their differences are small.
const RISING: [&str; 5] = ["start_ticks", "end_ticks", "start_ns", "ticks", "ns"];

/// Writes the spans, in the order of lanes and times.
///
/// # Errors
/// Those of `sink`.
pub fn spans(export: &Export<'_>, sink: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut table = Table::begin("spans", &format!("{OWNER}{SPANS}"), sink)?;
    let texts = Texts::new(export);
    for (lane, owner) in export.lanes() {
        let fixed = Fixed::new(export, lane, owner);
        for interval in export.spans(lane) {
            let span = interval.span;
            let mut row = table.row();
            // A core has its number, a vCPU the core it is or was on; a task and a core the vCPU they are with.
            match owner {
                Owner::Pcpu(pcpu) => fixed.write(&mut row, Some(pcpu.0), texts.lane(span.party())),
                Owner::Task(..) => fixed.write(&mut row, None, texts.lane(span.party())),
                _ => fixed.write(&mut row, span.party().get(), None),
            }
            let start = export.nanoseconds(span.start());
            row.text(Some(texts.states[span.state() as usize].clone()));
            row.long(span.start());
            row.long(interval.end);
            row.long(start);
            row.long(export.nanoseconds(interval.end).saturating_sub(start));
            row.text(texts.causes[span.cause() as usize].clone());
            row.text(texts.lane(span.by_lane()));
            row.int(span.by_pcpu().get().map(i32::from));
            row.bool(span.flags().any(Flags::MIGRATED));
            row.bool(span.flags().any(Flags::DEADLINE_MISSED));
            row.bool(span.flags().any(Flags::CONTRADICTED));
            table.end_row()?;
        }
    }
    table.finish()
}

/// Writes the marks, in the order of lanes and times.
///
/// # Errors
/// Those of `sink`.
pub fn marks(export: &Export<'_>, sink: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut table = Table::begin("marks", &format!("{OWNER}{MARKS}"), sink)?;
    let texts = Texts::new(export);
    for (lane, owner) in export.lanes() {
        let fixed = Fixed::new(export, lane, owner);
        let core = match owner {
            Owner::Pcpu(pcpu) => Some(pcpu.0),
            _ => None,
        };
        for point in export.points(lane) {
            let mut row = table.row();
            fixed.write(&mut row, core, None);
            row.text(Some(ByteArray::from(point.mark().name())));
            row.long(point.time());
            row.long(export.nanoseconds(point.time()));
            row.long(point.value());
            row.text(texts.lane(point.by_lane()));
            row.int(point.by_pcpu().get().map(i32::from));
            table.end_row()?;
        }
    }
    table.finish()
}

/// What is the same in all rows of a lane.
struct Fixed {
    lane: u16,
    name: ByteArray,
    kind: ByteArray,
    vm: Option<ByteArray>,
    numbers: [Option<i32>; 3],
}

impl Fixed {
    fn new(export: &Export<'_>, lane: u16, owner: Owner) -> Self {
        let (kind, guest, vcpu, task) = match owner {
            Owner::Machine => ("machine", None, None, None),
            Owner::Pcpu(_) => ("pcpu", None, None, None),
            Owner::Vcpu(vcpu) => ("vcpu", Some(vcpu.guest), Some(vcpu.index), None),
            Owner::Task(guest, task) => ("task", Some(guest), None, Some(task)),
            Owner::Others => ("others", None, None, None),
        };
        // The columns are unsigned: only the bits count.
        let number = |number: Option<u32>| number.map(u32::cast_signed);
        Self {
            lane,
            name: text(&(export.name)(owner)),
            kind: ByteArray::from(kind),
            vm: guest.map(|guest| text(&(export.guest)(guest))),
            numbers: [
                number(guest.map(|guest| guest.0)),
                number(vcpu),
                number(task),
            ],
        }
    }

    fn write(&self, row: &mut Row<'_>, pcpu: Option<u16>, vcpu: Option<ByteArray>) {
        row.int(Some(i32::from(self.lane)));
        row.text(Some(self.name.clone()));
        row.text(Some(self.kind.clone()));
        row.text(self.vm.clone());
        for number in self.numbers {
            row.int(number);
        }
        row.int(pcpu.map(i32::from));
        row.text(vcpu);
    }
}

/// Texts that many rows share.
struct Texts {
    lanes: Vec<ByteArray>,
    states: Vec<ByteArray>,
    causes: Vec<Option<ByteArray>>,
}

impl Texts {
    fn new(export: &Export<'_>) -> Self {
        let names = export.lanes().map(|(_, owner)| text(&(export.name)(owner)));
        let cause = |number| match trace::store::Cause::from_bits(number).name() {
            "" => None,
            name => Some(ByteArray::from(name)),
        };
        Self {
            lanes: names.collect(),
            states: trace::store::State::ALL
                .map(|state| ByteArray::from(state.name()))
                .into(),
            causes: (0..8).map(cause).collect(),
        }
    }

    fn lane(&self, lane: Party) -> Option<ByteArray> {
        self.lanes.get(usize::from(lane.get()?)).cloned()
    }
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

/// A table on its way into a file.
struct Table<'a> {
    writer: SerializedFileWriter<&'a mut (dyn Write + Send)>,
    columns: Vec<Column>,
    rows: usize,
}

/// A column of the group of rows at hand.
struct Column {
    values: Values,
    /// 1 for a value, 0 for none; not used where there always is one.
    levels: Vec<i16>,
    optional: bool,
}

enum Values {
    Int(Vec<i32>),
    Long(Vec<i64>),
    Bool(Vec<bool>),
    Text(Vec<ByteArray>),
}

/// A row on its way into the columns, one value after the other.
struct Row<'a> {
    columns: std::slice::IterMut<'a, Column>,
}

impl<'a> Table<'a> {
    fn begin(name: &str, fields: &str, sink: &'a mut (dyn Write + Send)) -> io::Result<Self> {
        let schema = format!("message {name} {{{fields}\n}}");
        let schema = parse_message_type(&schema).map_err(other)?;
        let properties = RISING.iter().fold(
            WriterProperties::builder().set_compression(Compression::SNAPPY),
            |properties, column| {
                let path = || ColumnPath::from(*column);
                properties
                    .set_column_dictionary_enabled(path(), false)
                    .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED)
            },
        );
        let columns = schema.get_fields().iter().map(|field| Column {
            values: Values::of(field.get_physical_type()),
            levels: Vec::new(),
            optional: field.is_optional(),
        });
        Ok(Self {
            columns: columns.collect(),
            writer: SerializedFileWriter::new(sink, Arc::new(schema), Arc::new(properties.build()))
                .map_err(other)?,
            rows: 0,
        })
    }

    fn row(&mut self) -> Row<'_> {
        Row {
            columns: self.columns.iter_mut(),
        }
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.rows += 1;
        if self.rows == ROWS {
            self.write_group().map_err(other)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if self.rows > 0 {
            self.write_group().map_err(other)?;
        }
        self.writer.close().map(|_| ()).map_err(other)
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        self.rows = 0;
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else {
                break;
            };
            let levels = column.optional.then_some(column.levels.as_slice());
            match &mut column.values {
                Values::Int(values) => {
                    writer
                        .typed::<Int32Type>()
                        .write_batch(values, levels, None)?;
                    values.clear();
                }
                Values::Long(values) => {
                    writer
                        .typed::<Int64Type>()
                        .write_batch(values, levels, None)?;
                    values.clear();
                }
                Values::Bool(values) => {
                    writer
                        .typed::<BoolType>()
                        .write_batch(values, levels, None)?;
                    values.clear();
                }
                Values::Text(values) => {
                    writer
                        .typed::<ByteArrayType>()
                        .write_batch(values, levels, None)?;
                    values.clear();
                }
            }
            column.levels.clear();
            writer.close()?;
        }
        group.close().map(|_| ())
    }
}

impl Values {
    fn of(kind: ::parquet::basic::Type) -> Self {
        match kind {
            ::parquet::basic::Type::INT32 => Self::Int(Vec::new()),
            ::parquet::basic::Type::INT64 => Self::Long(Vec::new()),
            ::parquet::basic::Type::BOOLEAN => Self::Bool(Vec::new()),
            _ => Self::Text(Vec::new()),
        }
    }
}

impl Row<'_> {
    fn int(&mut self, value: Option<i32>) {
        if let Some(Values::Int(values)) = self.next(value.is_some()) {
            values.extend(value);
        }
    }

    fn long(&mut self, value: u64) {
        if let Some(Values::Long(values)) = self.next(true) {
            values.push(value.cast_signed());
        }
    }

    fn bool(&mut self, value: bool) {
        if let Some(Values::Bool(values)) = self.next(true) {
            values.push(value);
        }
    }

    fn text(&mut self, value: Option<ByteArray>) {
        if let Some(Values::Text(values)) = self.next(value.is_some()) {
            values.extend(value);
        }
    }

    fn next(&mut self, present: bool) -> Option<&mut Values> {
        let column = self.columns.next()?;
        if column.optional {
            column.levels.push(i16::from(present));
        }
        Some(&mut column.values)
    }
}

fn other(error: ParquetError) -> io::Error {
    match error {
        // Its text is that of the error below, such as of a full disk.
        ParquetError::External(below) => io::Error::other(below),
        error => io::Error::other(error),
    }
}
