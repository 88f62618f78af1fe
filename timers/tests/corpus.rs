//! Replays what the fuzzer has kept, and what it ever found, without the fuzzer.

mod machine;

use std::path::Path;

#[test]
fn the_corpus_is_replayed() {
    for kind in ["corpus", "regressions"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(kind).join("wheel");
        let files = std::fs::read_dir(&folder).unwrap();
        let replayed =
            files.map(|file| machine::run(&std::fs::read(file.unwrap().path()).unwrap()));
        assert!(replayed.count() > 0, "{} is empty", folder.display());
    }
}
