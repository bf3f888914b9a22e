//! [`named_enum!`]: enums whose variants have names in telemetry.

/// Defines a field-less enum whose variants have fixed names.
///
/// The enum is `Copy`, `Hash` and `#[non_exhaustive]`. The macro adds the given `as_str` and `Display`, which both return
/// the name, and `ALL` (every variant, in order) if the definition ends with `const ALL;`.
macro_rules! named_enum {
    (@all $Enum:ident [$($Variant:ident)+]) => {};
    (@all $Enum:ident [$($Variant:ident)+] $vis:vis const ALL;) => {
        impl $Enum {
            /// Every variant, in the order of the definition.
            $vis const ALL: &'static [Self] = &[$(Self::$Variant),+];
        }
    };
    (
        $(#[$meta:meta])*
        $vis:vis enum $Enum:ident {
            $($(#[$variant_meta:meta])* $Variant:ident = $name:literal,)+
        }

        $(#[$as_str_meta:meta])*
        $as_str_vis:vis const fn as_str(self);
        $($all_vis:vis const ALL;)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $vis enum $Enum {
            $($(#[$variant_meta])* $Variant,)+
        }

        impl $Enum {
            $(#[$as_str_meta])*
            #[must_use]
            $as_str_vis const fn as_str(self) -> &'static str {
                match self { $(Self::$Variant => $name,)+ }
            }
        }

        $crate::util::named_enum!(@all $Enum [$($Variant)+] $($all_vis const ALL;)?);

        impl ::std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use named_enum;

#[cfg(test)]
mod tests {
    named_enum! {
        /// A fruit.
        enum Fruit {
            /// Grows on trees.
            Apple = "apple",
            /// Grows on the ground.
            Strawberry = "straw_berry",
        }

        /// The name.
        const fn as_str(self);
        const ALL;
    }

    #[test]
    fn named_enum_lists_variants_in_order_with_their_names() {
        assert_eq!(Fruit::ALL, [Fruit::Apple, Fruit::Strawberry]);
        assert_eq!(Fruit::Strawberry.as_str(), "straw_berry");
        assert_eq!(Fruit::Apple.to_string(), "apple");
    }
}
