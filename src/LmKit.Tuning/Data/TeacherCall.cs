using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>One continuation from a teacher, with retries of what may pass.</summary>
internal sealed class TeacherCall(IChatClient teacher, DatasetOptions options, TimeProvider time)
{
    private const double LongestDelay = 60;

    internal async Task<(ChatResponse Response, int Attempts)> AskAsync(string prompt, string id, CancellationToken cancellation)
    {
        var random = new SplitMix(DocumentKey.Of(options.Seed, id));
        for (var attempt = 1; ; attempt++)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(options.RequestTimeoutSeconds), time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
            try
            {
                // A teacher that ignores its token must not hold the run up.
                return (await teacher.GetResponseAsync(Messages(prompt), Settings(), both.Token).WaitAsync(both.Token).ConfigureAwait(false), attempt);
            }
            catch (Exception error) when (!cancellation.IsCancellationRequested && IsTransient(error) && attempt < options.MaxAttempts)
            {
                var delay = random.NextDouble() * Math.Min(LongestDelay, Math.Pow(2, attempt - 1));
                await Task.Delay(TimeSpan.FromSeconds(delay), time, cancellation).ConfigureAwait(false);
            }
            catch (Exception error) when (error is not OperationCanceledException || !cancellation.IsCancellationRequested)
            {
                throw new TeacherException(attempt, Status(error), error);
            }
        }
    }

    private List<ChatMessage> Messages(string prompt) =>
        options.SystemPrompt.Length == 0 ? [new(ChatRole.User, prompt)] : [new(ChatRole.System, options.SystemPrompt), new(ChatRole.User, prompt)];

    private ChatOptions Settings() => new() { Temperature = options.Temperature, MaxOutputTokens = options.MaxOutputTokens };

    private static bool IsTransient(Exception error) => Status(error) is { } status
        ? status is 408 or 409 or 425 or 429 or >= 500
        : error is TimeoutException or IOException or SocketException or OperationCanceledException or HttpRequestException;

    private static int? Status(Exception error) => error is HttpRequestException { StatusCode: HttpStatusCode code }
        ? (int)code
        : error.GetType().GetProperty("Status") is { } property && property.PropertyType == typeof(int)
            ? Convert.ToInt32(property.GetValue(error), CultureInfo.InvariantCulture)
            : null;
}
