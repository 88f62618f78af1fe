//! Replays what the fuzzer has kept, without the engine.

use std::path::Path;

type Target = fn(&[u8]);

#[test]
fn the_corpora_are_replayed() {
    let targets: [(&str, Target); 2] =
        [("netpoll", netwheel_fuzz::netpoll), ("wheel", netwheel_fuzz::wheel)];
    for (target, run) in targets {
        for kind in ["corpus", "regressions"] {
            let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target);
            let files = std::fs::read_dir(&corpus).unwrap();
            let replayed = files.map(|file| run(&std::fs::read(file.unwrap().path()).unwrap()));
            assert!(replayed.count() > 0, "{} is empty", corpus.display());
        }
    }
}
