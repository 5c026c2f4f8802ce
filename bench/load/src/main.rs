//! The generator's program; all of it is in the library.

fn main() -> chorus_load::Outcome {
    chorus_load::cli::run()
}
