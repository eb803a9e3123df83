//! Closed sets of names on the wire, each an enum whose variants are spelt as the wire spells them.

/// An enum `Action` of a service's actions: as [`names!`], with `name` besides.
macro_rules! action_names {
    ($($name:ident),* $(,)?) => {
        names! {
            /// An action's name.
            Action { $($name),* }
        }

        impl Action {
            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                self.as_str()
            }
        }
    };
}

/// An enum of names: `ALL`, `from_name`, `as_str`.
macro_rules! names {
    ($(#[$doc:meta])* $names:ident { $($name:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $names {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)*
        }

        impl $names {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// By its name on the wire, exact to the case.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}
