//! One table of keys, from which everything about a key follows.

/// A key of the configuration.
pub(super) struct Key {
    /// The TOML table it is in.
    pub(super) table: &'static str,
    /// Its name there; in `[kafka]` it has dots.
    pub(super) name: &'static str,
    /// What holds where it isn't set.
    pub(super) default: Fallback,
    /// What it does, line by line, each with a leading space.
    pub(super) doc: &'static [&'static str],
}

/// What holds where a key isn't set.
pub(super) enum Fallback {
    /// This value. A leading `{table.key}` stands for another key's value.
    Value(&'static str),
    /// Nothing; the example is for people.
    Unset {
        /// How a value would look.
        example: &'static str,
    },
}

impl Key {
    /// The name with its table: `kafka.client.id`.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.table, self.name)
    }

    /// The environment variable: `NOTIFIER_KAFKA_CLIENT_ID`.
    pub(super) fn variable(&self) -> String {
        format!(
            "{PREFIX}{}",
            self.path().replace('.', "_").to_ascii_uppercase()
        )
    }
}

/// What the names of all variables begin with.
pub(super) const PREFIX: &str = "NOTIFIER_";

/// A TOML table.
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is about, line by line, each with a leading space.
    pub(super) doc: &'static [&'static str],
    /// Its keys, in the order they are read and printed.
    pub(super) keys: &'static [Key],
}

/// Makes a struct of a TOML table: one row a key gives the field, its documentation, its default
/// and its reader.
///
/// ```text
/// "name" => field: Type = kind, default "value";
/// "name" => field: Option<Type> = kind, unset "example";
/// ```
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $table:literal => $struct:ident {
            $(
                $(#[doc = $doc:literal])+
                $name:literal => $field:ident: $type:ty = $kind:expr, $fallback:ident $value:literal;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $struct {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl $struct {
            /// The table's description.
            pub(super) const TABLE: Table = Table {
                name: $table,
                doc: &[$($about),+],
                keys: &[$( table!(@key $table, $name, [$($doc),+], $fallback $value) ),+],
            };

            /// Reads every key, whatever is wrong with those before it.
            pub(super) fn read(reader: &mut Reader) -> Self {
                Self {
                    $( $field: reader.get(
                        &table!(@key $table, $name, [$($doc),+], $fallback $value),
                        &$kind,
                    ), )+
                }
            }
        }
    };
    (@key $table:literal, $name:literal, [$($doc:literal),+], $fallback:ident $value:literal) => {
        Key {
            table: $table,
            name: $name,
            default: table!(@$fallback $value),
            doc: &[$($doc),+],
        }
    };
    (@default $value:literal) => { Fallback::Value($value) };
    (@unset $example:literal) => { Fallback::Unset { example: $example } };
}

pub(super) use table;
