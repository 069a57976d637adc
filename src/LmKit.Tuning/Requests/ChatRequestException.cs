namespace LmKit;

/// <summary>A chat client that gave no answer.</summary>
/// <param name="attempts">Requests made.</param>
/// <param name="status">The status code of the last, where there is one.</param>
/// <param name="innerException">The last failure.</param>
public sealed class ChatRequestException(int attempts, int? status, Exception innerException)
    : Exception($"The chat client gave no answer in {attempts} requests{(status is null ? "" : $"; the last had status {status}")}: {innerException?.GetType().Name}.", innerException)
{
    /// <summary>Requests made.</summary>
    public int Attempts { get; } = attempts;

    /// <summary>The status code of the last request, where there is one.</summary>
    public int? Status { get; } = status;

    /// <summary>Whether the client refuses this caller altogether, so that going on is of no use.</summary>
    public bool IsRefusal => Status is 401 or 403;
}
