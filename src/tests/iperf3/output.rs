//! Figures in the JSON of iperf3: of the client, and of the server within (`--get-server-output`).
//!
//! Throughput is what arrived, so it is read where it arrived: from the intervals of the server for
//! what the client sent, from the client's own for what the server sent. Of UDP the sender's figure
//! would be what was thrown at the network.

use serde_json::Value;

use crate::metric::Better;
use crate::store::result_json::Point;
use crate::tests::fault::Fault;
use crate::tests::net::load::{Kind, Load};
use crate::tests::pbench::aggregate::mean;
use crate::tests::pbench::{Class, SampleEntry};

/// An interval shorter than this share of the longest one is the rest at the end of a run.
const SHORTEST: f64 = 0.5;

/// Returns the entries of one client.
///
/// # Errors
/// `no-figures` when something is not there, `no-operations` when nothing arrived.
pub fn entries(document: &Value, load: &Load, client: &str) -> Result<Vec<SampleEntry>, Fault> {
    let server = document.get("server_output_json").unwrap_or(&Value::Null);
    let begin = document["start"]["timestamp"]["timesecs"]
        .as_i64()
        .unwrap_or(0)
        * 1000;
    let (forward, backward) = match load.kind {
        Kind::Maerts => (None, Some("sum")),
        Kind::Bidirec => (Some("sum"), Some("sum_bidir_reverse")),
        Kind::Stream | Kind::Rr => (Some("sum"), None),
    };
    let forward = forward
        .map(|sum| arrived(server, sum, begin, "server"))
        .transpose()?;
    let backward = backward
        .map(|sum| arrived(document, sum, begin, "client"))
        .transpose()?;
    let both = forward.is_some() && backward.is_some();
    let mut out = Entries {
        client,
        out: Vec::new(),
    };
    let words = "Number of gigabits that arrived for a period of 1 second";
    match (&forward, &backward) {
        (Some(one), Some(other)) => out.rate("Gb_sec", "Gb/s", words, sum(one, other)),
        (Some(one), None) | (None, Some(one)) => out.rate("Gb_sec", "Gb/s", words, one.clone()),
        (None, None) => {}
    }
    if out.out.iter().all(|entry| entry.value <= 0.0) {
        let message = "iperf3 ended well, but nothing arrived";
        let hint = "look at firewalls between the two machines, or ask for a smaller `bitrate`";
        return Err(Fault::new("no-operations", message, hint));
    }
    if both {
        let words = "Number of gigabits from the client that arrived for a period of 1 second";
        out.rate(
            "Gb_sec_to_server",
            "Gb/s",
            words,
            forward.unwrap_or_default(),
        );
        let words = "Number of gigabits from the server that arrived for a period of 1 second";
        out.rate(
            "Gb_sec_to_client",
            "Gb/s",
            words,
            backward.unwrap_or_default(),
        );
    }
    let end = &document["end"];
    match load.protocol.as_str() {
        "udp" => datagrams(end, both, &mut out)?,
        _ => segments(document, server, both, &mut out),
    }
    for (metric, key, words) in [
        (
            "cpu_client",
            "host_total",
            "Processor time of the client, percent of one processor",
        ),
        (
            "cpu_server",
            "remote_total",
            "Processor time of the server, percent of one processor",
        ),
    ] {
        if let Some(percent) = end["cpu_utilization_percent"][key].as_f64() {
            out.time(metric, "%", words, percent);
        }
    }
    Ok(out.out)
}

struct Entries<'a> {
    client: &'a str,
    out: Vec<SampleEntry>,
}

impl Entries<'_> {
    fn add(
        &mut self,
        class: Class,
        better: Better,
        (metric, unit): (&str, &str),
        words: &str,
        value: f64,
    ) {
        self.out.push(SampleEntry {
            class,
            metric: metric.into(),
            client: self.client.into(),
            unit: unit.into(),
            better,
            description: words.into(),
            value,
            series: Vec::new(),
            aggregate: true,
        });
    }

    /// More is better; a mean over the series.
    fn rate(&mut self, metric: &str, unit: &str, words: &str, series: Vec<Point>) {
        let value = mean(&series).unwrap_or(0.0);
        self.add(
            Class::Throughput,
            Better::Higher,
            (metric, unit),
            words,
            value,
        );
        if let Some(entry) = self.out.last_mut() {
            entry.series = series;
        }
    }

    /// Less is better; a mean over clients.
    fn time(&mut self, metric: &str, unit: &str, words: &str, value: f64) {
        self.add(Class::Latency, Better::Lower, (metric, unit), words, value);
    }
}

/// Returns what arrived in each interval, Gb/s.
fn arrived(document: &Value, sum: &str, begin: i64, who: &str) -> Result<Vec<Point>, Fault> {
    let rows: Vec<(f64, f64, f64)> = document["intervals"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|interval| &interval[sum])
        .filter(|interval| interval["omitted"].as_bool() != Some(true))
        .filter_map(|interval| {
            Some((
                interval["end"].as_f64()?,
                interval["seconds"].as_f64()?,
                interval["bits_per_second"].as_f64()?,
            ))
        })
        .collect();
    let longest = rows
        .iter()
        .map(|(_, seconds, _)| *seconds)
        .fold(0.0, f64::max);
    let points: Vec<Point> = rows
        .iter()
        .filter(|(_, seconds, rate)| *seconds >= longest * SHORTEST && rate.is_finite())
        .filter_map(|(end, _, rate)| {
            let after: i64 = format!("{:.0}", end * 1000.0).parse().ok()?;
            Some(Point {
                date: begin + after,
                value: rate / 1e9,
            })
        })
        .collect();
    if points.is_empty() {
        let message = format!("the JSON of iperf3 holds no interval `{sum}` of the {who}");
        let hint = "iperf3 3.7 or newer is needed on both machines; read stdout below raw/";
        return Err(Fault::new("no-figures", message, hint));
    }
    Ok(points)
}

/// Adds two directions, interval by interval: both programs begin theirs at the same time.
fn sum(one: &[Point], other: &[Point]) -> Vec<Point> {
    let add = |(a, b): (&Point, &Point)| Point {
        date: a.date,
        value: a.value + b.value,
    };
    one.iter().zip(other).map(add).collect()
}

/// Figures of TCP: what was sent again, and how long an answer takes.
fn segments(document: &Value, server: &Value, both: bool, out: &mut Entries<'_>) {
    let end = &document["end"];
    let mut sums = vec!["sum_sent"];
    if both {
        sums.push("sum_sent_bidir_reverse");
    }
    let again: Option<f64> = sums
        .iter()
        .map(|sum| {
            let seconds = end[sum]["seconds"]
                .as_f64()
                .filter(|seconds| *seconds > 0.0)?;
            Some(end[sum]["retransmits"].as_f64()? / seconds)
        })
        .sum();
    if let Some(again) = again {
        let words = "Number of segments sent again for a period of 1 second";
        out.add(
            Class::Throughput,
            Better::Lower,
            ("retransmits_sec", "1/s"),
            words,
            again,
        );
    }
    // Only the sending side knows: the client's document has zeros for the server's streams.
    let times: Vec<f64> = [document, server]
        .iter()
        .flat_map(|document| document["end"]["streams"].as_array().into_iter().flatten())
        .filter_map(|stream| stream["sender"]["mean_rtt"].as_f64())
        .filter(|usec| *usec > 0.0)
        .collect();
    if !times.is_empty() {
        let value = times.iter().sum::<f64>() / times.len() as f64;
        out.time(
            "rtt_usec",
            "us",
            "Round trip time as TCP sees it, mean over streams",
            value,
        );
    }
}

/// Figures of UDP: datagrams that arrived, were lost, came unevenly.
fn datagrams(end: &Value, both: bool, out: &mut Entries<'_>) -> Result<(), Fault> {
    let mut sums = vec!["sum_received"];
    if both {
        sums.push("sum_received_bidir_reverse");
    }
    let (mut packets, mut lost, mut rate, mut jitter) = (0.0, 0.0, 0.0, 0.0);
    for name in &sums {
        // Older versions have one sum only.
        let sum = match &end[name]["lost_packets"] {
            Value::Null => &end["sum"],
            _ => &end[name],
        };
        let number = |key: &str| {
            sum[key].as_f64().ok_or_else(|| {
                let message = format!("the JSON of iperf3 holds no `{key}` of datagrams");
                Fault::new("no-figures", message, "read stdout below raw/")
            })
        };
        packets += number("packets")?;
        lost += number("lost_packets")?;
        let seconds = number("seconds")?;
        if seconds > 0.0 {
            rate += (number("packets")? - number("lost_packets")?).max(0.0) / seconds;
        }
        jitter += number("jitter_ms")? / sums.len() as f64;
    }
    let words = "Number of datagrams that arrived for a period of 1 second";
    out.add(
        Class::Throughput,
        Better::Higher,
        ("packets_sec", "1/s"),
        words,
        rate,
    );
    if packets > 0.0 {
        out.time(
            "lost_percent",
            "%",
            "Datagrams that were lost",
            lost / packets * 100.0,
        );
    }
    out.time(
        "jitter_ms",
        "ms",
        "Variation of the time between datagrams",
        jitter,
    );
    Ok(())
}

#[cfg(test)]
mod unit {
    use super::*;

    fn document(name: &str) -> Value {
        let path = format!(
            "{}/tests/fixtures/iperf3/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        serde_json::from_slice(&std::fs::read(path).expect("fixture")).expect("JSON")
    }

    fn load(protocol: &str, kind: Kind) -> Load {
        Load {
            protocol: protocol.into(),
            kind,
            size: 1024,
            instances: 2,
        }
    }

    fn value(entries: &[SampleEntry], metric: &str) -> f64 {
        let found = entries.iter().find(|entry| entry.metric == metric);
        found
            .unwrap_or_else(|| panic!("no {metric}: {entries:?}"))
            .value
    }

    /// The sum at the end covers the same time to some percent: intervals differ in length.
    fn about(ours: f64, bits: &Value) -> bool {
        let theirs = bits.as_f64().expect("a number") / 1e9;
        (ours - theirs).abs() < 0.03 * theirs
    }

    #[test]
    fn throughput_is_what_arrived() {
        for (name, protocol, kind) in [
            ("tcp-stream", "tcp", Kind::Stream),
            ("tcp-maerts", "tcp", Kind::Maerts),
            ("udp-stream", "udp", Kind::Stream),
            ("udp-maerts", "udp", Kind::Maerts),
        ] {
            let document = document(name);
            let found = entries(&document, &load(protocol, kind), "a").expect(name);
            let received = &document["end"]["sum_received"]["bits_per_second"];
            assert!(
                about(value(&found, "Gb_sec"), received),
                "{name}: {found:?}"
            );
            assert!(
                found.iter().all(|entry| entry.better != Better::Unknown),
                "{name}"
            );
            assert_eq!(found[0].series.len(), 3, "{name}: one second each");
        }
    }

    #[test]
    fn both_directions_are_told_apart_and_added() {
        let document = document("tcp-bidirec");
        let found = entries(&document, &load("tcp", Kind::Bidirec), "a").expect("good");
        let (there, back) = (
            value(&found, "Gb_sec_to_server"),
            value(&found, "Gb_sec_to_client"),
        );
        assert!(about(
            there,
            &document["end"]["sum_received"]["bits_per_second"]
        ));
        assert!(about(
            back,
            &document["end"]["sum_received_bidir_reverse"]["bits_per_second"]
        ));
        assert!((value(&found, "Gb_sec") - there - back).abs() < 1e-9);
    }

    #[test]
    fn segments_and_datagrams_have_figures_of_their_own() {
        let tcp = document("tcp-stream");
        let found = entries(&tcp, &load("tcp", Kind::Stream), "a").expect("good");
        let sent = &tcp["end"]["sum_sent"];
        let again = sent["retransmits"].as_f64().expect("number")
            / sent["seconds"].as_f64().expect("number");
        assert!((value(&found, "retransmits_sec") - again).abs() < 1e-9);
        assert!(value(&found, "rtt_usec") > 0.0 && value(&found, "cpu_server") > 0.0);
        let maerts =
            entries(&document("tcp-maerts"), &load("tcp", Kind::Maerts), "a").expect("good");
        assert!(value(&maerts, "rtt_usec") > 0.0, "the server's, who sends");
        let udp = document("udp-stream");
        let found = entries(&udp, &load("udp", Kind::Stream), "a").expect("good");
        let sum = &udp["end"]["sum_received"];
        let lost = sum["lost_packets"].as_f64().expect("number")
            / sum["packets"].as_f64().expect("number");
        assert!((value(&found, "lost_percent") - lost * 100.0).abs() < 1e-9);
    }

    #[test]
    fn seconds_that_were_omitted_do_not_count() {
        let found = entries(
            &document("tcp-stream-omit"),
            &load("tcp", Kind::Stream),
            "a",
        );
        assert_eq!(found.expect("good")[0].series.len(), 2);
    }

    #[test]
    fn a_document_without_the_server_is_no_measurement() {
        let mut document = document("udp-stream");
        document
            .as_object_mut()
            .expect("an object")
            .remove("server_output_json");
        let fault = entries(&document, &load("udp", Kind::Stream), "a").expect_err("half");
        assert_eq!(fault.class, "no-figures");
        for odd in ["null", "[]", "{\"intervals\": [7]}", "{\"end\": 3}"] {
            let odd: Value = serde_json::from_str(odd).expect("JSON");
            assert!(
                entries(&odd, &load("tcp", Kind::Maerts), "a").is_err(),
                "{odd}"
            );
        }
    }
}
