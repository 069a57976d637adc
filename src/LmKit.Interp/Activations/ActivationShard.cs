namespace LmKit;

/// <summary>One file of a store.</summary>
/// <param name="File">Its name in the folder.</param>
/// <param name="RowCount">Its rows.</param>
/// <param name="Sha256">The checksum of its bytes, in hexadecimal.</param>
public sealed record ActivationShard(string File, long RowCount, string Sha256);
