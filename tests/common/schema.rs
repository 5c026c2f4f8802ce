//! What a node says on a socket, held against `docs/schema`.

use std::{fs, path::Path, sync::LazyLock};

use jsonschema::Validator;
use serde_json::Value;

/// The schema in this file of `docs/schema`.
pub fn validator(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(name);
    jsonschema::validator_for(&serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).unwrap()
}

static V1_SERVER: LazyLock<Validator> = LazyLock::new(|| validator("v1-server.json"));
static SEED_SERVER: LazyLock<Validator> = LazyLock::new(|| validator("seed-server.json"));

/// Fails for a frame that no `v1` client may be told.
pub fn v1(frame: &Value) {
    fits(&V1_SERVER, frame);
}

/// Fails for a frame that no seed client may be told.
pub fn seed(frame: &Value) {
    fits(&SEED_SERVER, frame);
}

fn fits(schema: &Validator, frame: &Value) {
    if let Err(error) = schema.validate(frame) {
        panic!(
            "docs/schema knows no such frame: {error} at {} in {frame}",
            error.instance_path()
        );
    }
}
