/** The token's own revert strings (FiatTokenV2_2, EIP3009.sol), in the x402 reference's words. */
export function revertReason(fault: string): string {
  if (/used or canceled/i.test(fault)) return "invalid_exact_evm_nonce_already_used";
  if (/exceeds balance/i.test(fault)) return "invalid_exact_evm_insufficient_balance";
  if (/invalid signature/i.test(fault)) return "invalid_exact_evm_signature";
  if (/not yet valid/i.test(fault)) return "invalid_exact_evm_payload_authorization_valid_after";
  if (/expired/i.test(fault)) return "invalid_exact_evm_payload_authorization_valid_before";
  return "invalid_exact_evm_transaction_simulation_failed";
}
