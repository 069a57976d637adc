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
