//! The reader of providers' event streams, on one answer cut in different ways.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use exai_server::provider::sse::{Event, SseReader};

/// Deltas of one answer; several words each, some of them wider than a byte.
const DELTAS: usize = 500;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let stream = stream();
    let mut group = criterion.benchmark_group("sse_reader");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    // A whole answer, TCP segments, and pieces so small that they cut every character.
    for (name, piece) in [("whole", stream.len()), ("1448_bytes", 1448), ("1_byte", 1)] {
        assert_eq!(read(&stream, piece), DELTAS + 1, "{name}");
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            &piece,
            |bencher, piece| {
                bencher.iter(|| read(black_box(&stream), *piece));
            },
        );
    }
    group.finish();
    criterion.final_summary();
}

/// Reads the stream in pieces of at most `piece` bytes and counts its messages.
fn read(stream: &[u8], piece: usize) -> usize {
    let mut reader = SseReader::default();
    let is_message = |event: &Event| matches!(event, Event::Message { .. });
    let mut messages = 0;
    for bytes in stream.chunks(piece) {
        messages += reader.push(bytes).iter().filter(|e| is_message(e)).count();
    }
    messages + reader.finish().iter().filter(|e| is_message(e)).count()
}

/// An answer as chat completions stream it: deltas, now and then a comment, the closing mark.
fn stream() -> Vec<u8> {
    let mut text = String::new();
    for number in 0..DELTAS {
        if number % 50 == 0 {
            text.push_str(": keep-alive\n\n");
        }
        text.push_str(&format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"word {number}, 字 и ещё\"}},\
             \"finish_reason\":null}}]}}\n\n"
        ));
    }
    text.push_str("data: [DONE]\n\n");
    text.into_bytes()
}
