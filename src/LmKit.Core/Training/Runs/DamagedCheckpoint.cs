namespace LmKit;

/// <summary>A checkpoint that could not be read.</summary>
/// <param name="Folder">Its folder, which stays as it is until a run writes that step again.</param>
/// <param name="Reason">What is wrong with it, with the file's and where it can the tensor's name.</param>
public sealed record DamagedCheckpoint(string Folder, string Reason);
