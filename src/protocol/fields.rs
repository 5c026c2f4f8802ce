//! The fields of a client's frame, taken apart in one pass and not yet understood.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The fields of a frame, each still as it came: what is wrong with one is found when it is
/// needed, after the `ref` and the id have been read.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) kind: Option<&'a RawValue>,
    pub(super) room: Option<&'a RawValue>,
    pub(super) after: Option<&'a RawValue>,
    pub(super) after_id: Option<&'a RawValue>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) message: Option<&'a RawValue>,
    pub(super) ticket: Option<&'a RawValue>,
    pub(super) reference: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Name {
    Type,
    Room,
    After,
    AfterId,
    Id,
    Message,
    Ticket,
    Ref,
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key()? {
            let slot = match name {
                Name::Type => &mut fields.kind,
                Name::Room => &mut fields.room,
                Name::After => &mut fields.after,
                Name::AfterId => &mut fields.after_id,
                Name::Id => &mut fields.id,
                Name::Message => &mut fields.message,
                Name::Ticket => &mut fields.ticket,
                Name::Ref => &mut fields.reference,
                Name::Unknown => {
                    map.next_value::<Shallow>()?;
                    continue;
                }
            };
            if slot.replace(map.next_value()?).is_some() {
                return Err(A::Error::custom("a field stands twice"));
            }
        }
        Ok(fields)
    }
}

/// Any value, looked at and forgotten. Unlike `IgnoredAny` alone it counts depth, so a tower of
/// 5,000 brackets is refused and not walked.
struct Shallow;

impl<'de> Deserialize<'de> for Shallow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShallowVisitor)
    }
}

struct ShallowVisitor;

impl<'de> Visitor<'de> for ShallowVisitor {
    type Value = Shallow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shallow, E> {
        Ok(Shallow)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shallow, E> {
        Ok(Shallow)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shallow, E> {
        Ok(Shallow)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shallow, E> {
        Ok(Shallow)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shallow, E> {
        Ok(Shallow)
    }

    fn visit_unit<E>(self) -> Result<Shallow, E> {
        Ok(Shallow)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shallow, A::Error> {
        while seq.next_element::<Shallow>()?.is_some() {}
        Ok(Shallow)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shallow, A::Error> {
        while map.next_entry::<IgnoredAny, Shallow>()?.is_some() {}
        Ok(Shallow)
    }
}
