//! Bundles on their way to a worker.

use serde_json::json;
use tenon_core::function::FunctionRunner as _;

use crate::common::{TestHost, action, action_request, failed, options, succeeded};

/// Runs that come together, at most on one worker.
const TOGETHER: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_of_a_new_bundle_may_start_together() {
    let pool = tenon_runtime::WorkerPool::start(tenon_runtime::WorkerPoolOptions {
        workers: 1,
        ..options()
    })
    .unwrap();
    let runs = (0..TOGETHER).map(|number| {
        let pool = pool.clone();
        tokio::spawn(async move {
            // Two bundles, so that each is new while the other is known.
            let body = format!("return [input, {}]", number % 2);
            let request = action_request(&action(&body), json!(number));
            succeeded(pool.run(request, TestHost::silent()).await)
        })
    });
    for (number, run) in futures::future::join_all(runs)
        .await
        .into_iter()
        .enumerate()
    {
        assert_eq!(run.unwrap()[1], json!(number % 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bundle_that_cannot_be_compiled_says_so_every_time() {
    let pool = tenon_runtime::WorkerPool::start(tenon_runtime::WorkerPoolOptions {
        workers: 1,
        ..options()
    })
    .unwrap();
    for _ in 0..2 {
        let request = action_request("this is ] no bundle", json!(null));
        let failure = failed(pool.run(request, TestHost::silent()).await);
        assert!(
            failure
                .message
                .starts_with("the bundle cannot be compiled: "),
            "{}",
            failure.message
        );
    }
}
