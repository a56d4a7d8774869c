//! The keys that are read, as serde knows them: each has its row in the reference.

use super::File;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

type Error = de::value::Error;

/// Goes along `path` to a table and notes its keys. Nothing comes of it but an error:
/// there are no values.
struct Walk<'a> {
    path: &'a [&'static str],
    keys: &'a mut Vec<&'static str>,
}

fn nothing() -> Error {
    de::Error::custom("no value")
}

impl<'de> Deserializer<'de> for Walk<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.path {
            // A value with its place in the file.
            _ if name.starts_with("$__") => Err(nothing()),
            [] => {
                self.keys.extend(fields);
                Err(nothing())
            }
            _ => visitor.visit_map(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(nothing())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Walk<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let key = self.path.first().ok_or_else(nothing)?;
        seed.deserialize(de::value::StrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (_, path) = self.path.split_first().ok_or_else(nothing)?;
        seed.deserialize(Walk {
            path,
            keys: self.keys,
        })
    }
}

impl<'de> SeqAccess<'de> for Walk<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        seed.deserialize(Walk {
            path: self.path,
            keys: self.keys,
        })
        .map(Some)
    }
}

/// The keys below `path`, those of tables in it with a point between.
fn below(path: &[&'static str]) -> Vec<String> {
    let mut keys = Vec::new();
    let walk = Walk {
        path,
        keys: &mut keys,
    };
    assert!(File::deserialize(walk).is_err());
    let all = keys.into_iter().flat_map(|key| {
        let below = below(&[path, &[key]].concat());
        match below.is_empty() {
            true => vec![key.to_owned()],
            false => below.iter().map(|inner| format!("{key}.{inner}")).collect(),
        }
    });
    all.collect()
}

#[test]
fn each_key_that_is_read_has_its_row_in_the_reference_and_no_other_has() {
    let reference = include_str!("../../../../docs/reference.md");
    let (_, chapter) = reference.split_once("\n## Configuration\n").unwrap();
    let in_table = |line: &&str| line.starts_with('|');
    let table = chapter
        .lines()
        .skip_while(|line| !in_table(line))
        .take_while(in_table);
    let rows = table.filter_map(|line| line.strip_prefix("| `"));
    let mut written: Vec<_> = rows
        .flat_map(|row| row.split(" | ").next().unwrap().split(", "))
        .map(|key| key.trim_matches('`').to_owned())
        .collect();
    let mut read = below(&[]);
    read.sort();
    written.sort();
    assert!(read.contains(&"check.interval".to_owned()), "{read:?}");
    assert_eq!(read, written);
}
