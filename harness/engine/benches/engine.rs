//! Speed: recorded flows a second.

#[path = "../examples/vectors.rs"]
#[expect(dead_code, reason = "the program around the comparison is not needed here")]
mod vectors;

use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use verdikt_scenario::version::CiliumVersion;

fn flows(criterion: &mut Criterion) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mixed.jsonl.gz");
    let mut group = criterion.benchmark_group("flows");
    group.throughput(Throughput::Elements(28_800)).sample_size(20);
    group.bench_function("mixed", |bencher| {
        bencher.iter(|| vectors::count(&file, CiliumVersion::default()).map(|counts| counts.flows));
    });
    group.finish();
}

criterion_group!(benches, flows);
criterion_main!(benches);
