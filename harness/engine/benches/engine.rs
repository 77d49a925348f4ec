//! Speed: recorded flows a second, and the matrix of a whole cluster as it grows.

#[path = "../examples/matrix.rs"]
#[expect(dead_code, reason = "the program around the synthetic cluster is not needed here")]
mod matrix;
#[path = "../examples/vectors.rs"]
#[expect(dead_code, reason = "the program around the comparison is not needed here")]
mod vectors;

use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use verdikt_engine::matrix::VerdictMatrix;
use verdikt_engine::model::{Learned, ModelOptions, PolicyModel};
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

fn full_matrix(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matrix");
    group.sample_size(10);
    for pods in [100, 500, 1_000, 2_000, 4_000] {
        let (topology, manifests) = matrix::synthetic(pods, 50, 500);
        let cells = pods * pods * matrix::PORTS.len();
        group.throughput(Throughput::Elements(cells as u64));
        group.bench_function(BenchmarkId::from_parameter(pods), |bencher| {
            bencher.iter(|| {
                let cluster =
                    PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &Learned::default());
                VerdictMatrix::new(&cluster, &matrix::PORTS).cells().count()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, flows, full_matrix);
criterion_main!(benches);
