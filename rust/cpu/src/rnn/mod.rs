//! Recurrent layers: one layer in one direction over whole sequences, forward and backward, in one call each.
//!
//! A batch of sequences is packed as PyTorch packs it: step t has the rows of the `batch_sizes[t]` sequences that are
//! longer than t, the longest sequence first, and the rows of all steps lie one after the other. A padded batch of
//! equal lengths (T, N, ·) is the special case of N rows a step. Results and gradients have the input's form.
//!
//! The input's products of all steps are one matrix product. What is left to the steps is the recurrent product with
//! the pointwise part of the cell behind it, while the sums are in cache ([`recurrent`]). What the gradient needs is
//! kept as arrays: the gates, and the cell states of an LSTM. Backward, each step multiplies the gradients of the gates
//! by the recurrent weights and passes through the cell before it; the gradients of the weights and of the input are
//! matrix products over all steps at the end.

mod gru;
mod lstm;
mod operands;
mod plain;
mod recurrent;
mod steps;
#[cfg(feature = "testing")]
mod tests;

pub use gru::{gru, gru_grad};
pub use lstm::{Lstm, LstmGradients, lstm, lstm_grad};
pub use operands::{Batch, Inputs};
pub use plain::{Nonlinearity, rnn, rnn_grad};
