using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Answers of a chat client, with retries of what may pass.</summary>
internal sealed class ChatRequests(IChatClient client, RequestOptions options, AdaptiveLimit limit, TimeProvider time)
{
    private const double LongestDelay = 60;
    private const int TooManyRequests = 429;

    /// <summary>One answer.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="settings">Sampling.</param>
    /// <param name="key">Decides the delays between attempts.</param>
    /// <param name="cancellation">Ends it at once.</param>
    internal async Task<(ChatResponse Response, int Attempts)> AskAsync(IReadOnlyList<ChatMessage> messages, ChatOptions settings, ulong key, CancellationToken cancellation)
    {
        var random = new SplitMix(key);
        for (var attempt = 1; ; attempt++)
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(options.RequestTimeoutSeconds), time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
            try
            {
                // A client that ignores its token must not hold the run up.
                var response = await client.GetResponseAsync(messages, settings.Clone(), both.Token).WaitAsync(both.Token).ConfigureAwait(false);
                limit.Succeed();
                return (response, attempt);
            }
            catch (Exception error) when (!cancellation.IsCancellationRequested && IsTransient(error) && attempt < options.MaxAttempts)
            {
                if (Status(error) == TooManyRequests)
                    limit.Halve();
                var delay = TimeSpan.FromSeconds(random.NextDouble() * Math.Min(LongestDelay, Math.Pow(2, attempt - 1)));
                var asked = options.RetryAfter?.Invoke(error) ?? TimeSpan.Zero;
                await Task.Delay(asked > delay ? asked : delay, time, cancellation).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                // Clients say in many ways that they were cancelled; none of them makes the item a failed one.
                cancellation.ThrowIfCancellationRequested();
                throw new ChatRequestException(attempt, Status(error), error);
            }
        }
    }

    private bool IsTransient(Exception error) => Status(error) is { } status
        ? status is 408 or 409 or 425 or TooManyRequests or >= 500
        : error is TimeoutException or IOException or SocketException or OperationCanceledException or HttpRequestException;

    private int? Status(Exception error) => error is HttpRequestException { StatusCode: HttpStatusCode code }
        ? (int)code
        : error.GetType().GetProperty("Status") is { } property && property.PropertyType == typeof(int)
            ? Convert.ToInt32(property.GetValue(error), CultureInfo.InvariantCulture)
            : options.StatusOf?.Invoke(error);
}

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

/// <summary>How many requests may run: halved when there were too many, one more after a number of successes, up to a maximum.</summary>
internal sealed class AdaptiveLimit : IDisposable
{
    private const int SuccessesToGrow = 50;

    private readonly int maximum;
    private readonly Lock gate = new();
    private readonly SemaphoreSlim changed = new(0);
    private int running;
    private int successes;

    internal AdaptiveLimit(int maximum) => this.maximum = Current = maximum;

    internal int Current { get; private set; }

    /// <summary>Takes a place, as soon as there is one. One caller at a time.</summary>
    internal async Task EnterAsync(CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            lock (gate)
            {
                if (running < Current)
                {
                    running++;
                    return;
                }
            }
            await changed.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    internal void Exit()
    {
        lock (gate)
            running--;
        _ = changed.Release();
    }

    internal void Halve()
    {
        lock (gate)
            (Current, successes) = (Math.Max(1, Current / 2), 0);
    }

    internal void Succeed()
    {
        lock (gate)
        {
            if (Current == maximum || ++successes < SuccessesToGrow)
                return;
            (Current, successes) = (Current + 1, 0);
        }
        _ = changed.Release();
    }

    public void Dispose() => changed.Dispose();
}
