//! `#[test]` for unit tests that are compiled into the library itself, with its feature `testing`.
//!
//! With the compiler's own, the whole library is compiled once more to be tested: minutes, where kernels are generic over
//! instruction sets and dtypes. So the core that the Python tests load and the cargo tests share one build.

use proc_macro::{Delimiter, TokenStream, TokenTree};

/// Puts the function that follows into the list that `tests/unit.rs` runs; `#[ignore]` has to stand after it.
#[proc_macro_attribute]
pub fn test(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    let (mut ignored, mut name) = (false, None);
    let mut tokens = item.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if let (TokenTree::Punct(hash), Some(TokenTree::Group(group))) = (&token, tokens.peek())
            && hash.as_char() == '#'
            && group.delimiter() == Delimiter::Bracket
            && group.stream().to_string().starts_with("ignore")
        {
            ignored = true;
            tokens.next();
            continue;
        }
        if name.is_none()
            && let (TokenTree::Ident(word), Some(TokenTree::Ident(next))) = (&token, tokens.peek())
            && word.to_string() == "fn"
        {
            name = Some(next.to_string());
        }
        kept.push(token);
    }
    let name = name.expect("#[test] stands before a function");
    let listed = format!(
        "crate::units::inventory::submit! {{ crate::units::Unit {{
            name: concat!(module_path!(), \"::{name}\"), run: {name}, ignored: {ignored},
        }} }}"
    );
    let mut result: TokenStream = kept.into_iter().collect();
    result.extend(listed.parse::<TokenStream>().expect("the text above is Rust"));
    result
}
