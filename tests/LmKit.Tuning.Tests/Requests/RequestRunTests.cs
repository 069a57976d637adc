using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace LmKit.Tuning.Tests;

public class RequestRunTests
{
    [Fact]
    public async Task The_first_fault_is_what_a_run_throws_however_the_cancellation_that_it_causes_goes()
    {
        using var limit = new AdaptiveLimit(2);
        var run = new RequestRun(new RequestOptions(), limit);

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => run.ExecuteAsync(Items(), async (_, _) =>
        {
            await Task.Delay(50, CancellationToken.None);
            throw new InvalidOperationException("first");
        }, default).WaitAsync(TimeSpan.FromSeconds(30)));

        Assert.Equal("first", error.Message);

        // The source hears of the cancellation while the task that caused it is still busy telling others.
        static async IAsyncEnumerable<int> Items([EnumeratorCancellation] CancellationToken cancellation = default)
        {
            using var slow = cancellation.Register(() => Thread.Sleep(300));
            yield return 0;
            await Task.Delay(Timeout.Infinite, cancellation);
        }
    }

    [Fact]
    public async Task A_cancelled_request_is_cancelled_whatever_its_client_throws()
    {
        using var cancel = new CancellationTokenSource();
        using var limit = new AdaptiveLimit(1);
        var requests = new ChatRequests(new Aborting(cancel), new RequestOptions(), limit, TimeProvider.System);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => requests.AskAsync([new ChatMessage(ChatRole.User, "x")], new ChatOptions(), 0, cancel.Token));
    }

    private sealed class Aborting(CancellationTokenSource cancel) : DelegatingChatClient(new ScriptedTeacher())
    {
        public override Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            cancel.Cancel();
            throw new InvalidOperationException("the connection was aborted");
        }
    }
}
