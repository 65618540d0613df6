//! What tests of the network have in common: [`load`], what is sent; [`pairs`], who talks to whom;
//! [`talk`], servers beside clients for one sample.

pub mod load;
pub mod pairs;
pub mod talk;
