//! How a `result.json` is laid out: indented by three blanks like pbench's, but each time series on
//! one line, which makes the file a third as large and easier to scroll.

use std::io::{self, Write};

use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// The key whose value stands on one line.
const ON_ONE_LINE: &str = "timeseries";

/// See the module.
pub(super) struct Layout {
    pretty: PrettyFormatter<'static>,
    in_key: bool,
    /// The key just written asks for one line.
    wanted: bool,
    /// Open brackets of the value that stands on one line; 0 outside of it.
    depth: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            pretty: PrettyFormatter::with_indent(b"   "),
            in_key: false,
            wanted: false,
            depth: 0,
        }
    }
}

impl Layout {
    /// Calls the same method of the formatter in force.
    fn either<W: ?Sized>(
        &mut self,
        out: &mut W,
        compact: impl FnOnce(&mut CompactFormatter, &mut W) -> io::Result<()>,
        pretty: impl FnOnce(&mut PrettyFormatter<'static>, &mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.depth > 0 {
            compact(&mut CompactFormatter, out)
        } else {
            pretty(&mut self.pretty, out)
        }
    }

    fn open(&mut self) {
        if self.depth > 0 || self.wanted {
            self.depth += 1;
        }
        self.wanted = false;
    }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open();
        self.either(
            out,
            |f, out| f.begin_array(out),
            |f, out| f.begin_array(out),
        )
    }
    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.either(out, |f, out| f.end_array(out), |f, out| f.end_array(out))?;
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.either(
            out,
            |f, out| f.begin_array_value(out, first),
            |f, out| f.begin_array_value(out, first),
        )
    }
    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.either(
            out,
            |f, out| f.end_array_value(out),
            |f, out| f.end_array_value(out),
        )
    }
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open();
        self.either(
            out,
            |f, out| f.begin_object(out),
            |f, out| f.begin_object(out),
        )
    }
    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.either(out, |f, out| f.end_object(out), |f, out| f.end_object(out))?;
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.in_key = true;
        self.wanted = false;
        self.either(
            out,
            |f, out| f.begin_object_key(out, first),
            |f, out| f.begin_object_key(out, first),
        )
    }
    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.in_key = false;
        Ok(())
    }
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if self.in_key && self.depth == 0 {
            self.wanted = fragment == ON_ONE_LINE;
        }
        out.write_all(fragment.as_bytes())
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.either(
            out,
            |f, out| f.begin_object_value(out),
            |f, out| f.begin_object_value(out),
        )
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.either(
            out,
            |f, out| f.end_object_value(out),
            |f, out| f.end_object_value(out),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_series_is_one_line_and_the_rest_is_indented() {
        let value = serde_json::json!({"a": [], "samples": [
            {"timeseries": [{"date": 1, "value": [2]}, {"date": 2}], "value": 2.5},
            {"timeseries": [], "timeseriesx": [1]}
        ], "timeseries": 1, "z": {}});
        let mut out = Vec::new();
        serde::Serialize::serialize(
            &value,
            &mut serde_json::Serializer::with_formatter(&mut out, Layout::default()),
        )
        .expect("written");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON"),
            value
        );
        insta::assert_snapshot!(text, @r#"
        {
           "a": [],
           "samples": [
              {
                 "timeseries": [{"date":1,"value":[2]},{"date":2}],
                 "value": 2.5
              },
              {
                 "timeseries": [],
                 "timeseriesx": [
                    1
                 ]
              }
           ],
           "timeseries": 1,
           "z": {}
        }
        "#);
    }
}
