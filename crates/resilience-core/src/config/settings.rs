/// Declares a configuration: a plain struct whose fields are those of a builder, each with its default. With the feature
/// `serde` of the crate that declares it, it can be read, where fields left out have their defaults and unknown ones are
/// errors, and written.
///
/// `as "module"` behind a type says how the field is written, as `#[serde(with = "module")]` does.
#[doc(hidden)]
#[macro_export]
macro_rules! config {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident {
            $(
                $(#[$of_field:meta])*
                pub $field:ident: $type:ty $(as $with:tt)? = $default:expr,
            )*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(
            feature = "serde",
            derive(::serde::Serialize, ::serde::Deserialize),
            serde(default, deny_unknown_fields)
        )]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$of_field])*
                $(#[cfg_attr(feature = "serde", serde(with = $with))])?
                pub $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}
