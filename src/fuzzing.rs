//! What fuzzing asks of the program: functions that take any bytes, say whether those were taken for what they
//! want to be, and panic when a promise is broken. They are built for `./scripts/fuzz` and for the tests below,
//! never into the program; nothing else may open doors to what is private (`tests/architecture.rs`).

use crate::{auth, cluster, config, protocol, ws};

/// Takes any bytes, or refuses them.
pub type Target = fn(&[u8]) -> bool;

/// All of them, by the names that `fuzz/` has for them.
pub const TARGETS: &[(&str, Target)] = &[
    ("envelope", cluster::redis::fuzz::envelope),
    ("forwarded", auth::fuzz::forwarded),
    ("frame", protocol::fuzz::frame),
    ("reading", ws::fuzz::reading),
    ("settings", config::fuzz::settings),
    ("ticket", auth::fuzz::ticket),
    ("token", auth::fuzz::token),
];

#[cfg(test)]
mod tests {
    use std::{
        fmt, fs,
        path::{Path, PathBuf},
    };

    use proptest::{
        collection::vec,
        prelude::*,
        sample::{Index, select},
        test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
    };

    use super::*;

    /// Damaged copies of its seeds that a target is given.
    const DAMAGED: u32 = 2000;
    /// What breaks many a parser.
    const SIGNS: &[&[u8]] = &[
        b"\0", b"\"", b"\\u0000", b"{", b"]", b",", b":", b"\n", b"\x80", b"\xff", b"-1",
    ];

    /// Here some bytes go, others come.
    type Damage = (Index, usize, Vec<u8>);

    fn fuzz() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let mut files: Vec<_> = fs::read_dir(fuzz().join("seeds").join(name))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        // The same order everywhere, so that the same copies are made.
        files.sort();
        files.iter().map(|file| fs::read(file).unwrap()).collect()
    }

    fn damage() -> impl Strategy<Value = Damage> {
        let gone = prop_oneof![4 => 0usize..3, 1 => 0usize..2000];
        let come = prop_oneof![
            Just(Vec::new()),
            vec(any::<u8>(), 1..4),
            select(SIGNS).prop_map(<[u8]>::to_vec),
            "[0-9]{1,20}|[a-z]{1,8}".prop_map(String::into_bytes),
        ];
        (any::<Index>(), gone, come)
    }

    /// A damaged copy, shown as Rust writes bytes.
    struct Input(Vec<u8>);

    impl fmt::Debug for Input {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "b\"{}\"", self.0.escape_ascii())
        }
    }

    fn damaged(seed: &[u8], damages: &[Damage]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for (at, gone, come) in damages {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + gone);
            bytes.splice(at..end, come.iter().copied());
        }
        bytes
    }

    /// The seeds, and copies of them that are the same in every run.
    fn survives(name: &str) {
        let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
        let seeds = seeds(name);
        let taken = seeds.iter().filter(|seed| target(seed)).count();
        assert!(
            0 < taken && taken < seeds.len(),
            "{name}: {taken} of {} seeds are taken",
            seeds.len()
        );
        let copies =
            (select(seeds), vec(damage(), 1..5)).prop_map(|(seed, damages)| Input(damaged(&seed, &damages)));
        let config = Config {
            cases: DAMAGED,
            failure_persistence: None,
            ..Config::default()
        };
        let always = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let run = TestRunner::new_with_rng(config, always).run(&copies, |Input(bytes)| {
            let _ = target(&bytes);
            Ok(())
        });
        run.unwrap_or_else(|failed| panic!("{name}: {failed}"));
    }

    /// A test for each target.
    macro_rules! survive {
        ($($name:ident)*) => {
            $(
                #[test]
                fn $name() {
                    survives(stringify!($name));
                }
            )*

            #[test]
            fn each_target_has_its_test_its_file_and_its_seeds() {
                let names = [$(stringify!($name)),*];
                assert_eq!(TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
                let files = |folder| {
                    let files = fs::read_dir(fuzz().join(folder)).unwrap().map(|file| file.unwrap().path());
                    let mut names: Vec<_> =
                        files.map(|file| file.file_stem().unwrap().to_owned().into_string().unwrap()).collect();
                    names.sort();
                    names
                };
                assert_eq!(files("targets"), names);
                assert_eq!(files("seeds"), names);
            }
        };
    }

    survive! { envelope forwarded frame reading settings ticket token }
}
