using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class UseGateTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public void Closing_waits_for_the_visits_that_run_and_frees_once()
    {
        var gate = new UseGate("Thing");
        var (freed, freedEarly) = (0, -1);
        using var leave = new ManualResetEventSlim();
        var visit = Waiting(() =>
        {
            using var use = gate.Enter();
            _ = leave.Wait(Patience);
            using var again = gate.Enter(); // who is inside may enter again while it closes
            freedEarly = freed;
        });
        Thread[] closings = [Waiting(() => gate.Close(() => freed++)), Waiting(() => gate.Close(() => freed++))];
        Assert.Equal("Thing", Assert.Throws<ObjectDisposedException>(() => Visit(gate)).ObjectName);
        leave.Set();
        Assert.True(visit.Join(Patience));
        Assert.All(closings, closing => Assert.True(closing.Join(Patience)));
        Assert.Equal((0, 1), (freedEarly, freed));
    }

    [Fact]
    public void Closing_from_within_frees_when_the_last_visit_ends()
    {
        var gate = new UseGate("Thing");
        var freed = 0;
        using (gate.Enter())
        {
            using (gate.Enter())
                gate.Close(() => freed++);
            Assert.Equal(0, freed);
            gate.Close(() => freed++);
        }
        Assert.Equal(1, freed);
        Assert.Throws<ObjectDisposedException>(() => Visit(gate));
    }

    [Fact]
    public void A_change_is_alone_and_refused_from_within()
    {
        var gate = new UseGate("Thing");
        using var leave = new ManualResetEventSlim();
        var (changed, visited, changedEarly) = (false, false, true);
        var visit = Waiting(() =>
        {
            using var use = gate.Enter();
            _ = leave.Wait(Patience);
            changedEarly = changed;
        });
        var sawVisit = true;
        var change = Waiting(() => gate.Alone(() =>
        {
            Visit(gate);
            (sawVisit, changed) = (visited, true);
        }));
        var sawChange = false;
        var later = Waiting(() =>
        {
            using var use = gate.Enter();
            (visited, sawChange) = (true, changed);
        });
        leave.Set();
        Assert.All([visit, change, later], thread => Assert.True(thread.Join(Patience)));
        Assert.Equal((false, false, true), (changedEarly, sawVisit, sawChange));
        using (gate.Enter())
            Assert.Throws<InvalidOperationException>(() => gate.Alone(() => { }));
        Assert.Throws<NotSupportedException>(() => gate.Alone(() => throw new NotSupportedException()));
        Visit(gate);
    }

    [Fact]
    public void Gates_are_left_in_any_order_and_of_a_module_that_has_none_nothing_is_asked()
    {
        var (first, second) = (new UseGate("First"), new UseGate("Second"));
        var outer = first.Enter();
        var inner = second.Enter();
        outer.Dispose();
        first.Close(() => { });
        inner.Dispose();
        second.Close(() => { });
        using var plain = nn.Linear(1, 1);
        using var use = UseGate.Enter(plain);
    }

    [Fact]
    public void Every_call_of_a_disposed_model_names_the_model()
    {
        using var scope = NewDisposeScope();
        var model = Model();
        var (tokens, hidden) = (ones(1, 2, dtype: ScalarType.Int64), ones(1, 2, 8));
        using var state = model.NewState(1);
        var sampler = model.CreateSampler();
        model.Dispose();
        model.Dispose();
        Action[] calls =
        [
            () => model.call(tokens, null),
            () => model.forward(tokens, null),
            () => model.Hidden(tokens),
            () => model.Hidden(tokens, new SequenceContext(state)),
            () => model.Logits(hidden),
            () => model.NewState(1),
            () => model.Save(Path.Combine(Path.GetTempPath(), "lmkit-never-written")),
            () => model.to(ScalarType.Float64),
            () => model.to(CPU),
            () => sampler.Sample(tokens, 2).First().Dispose(),
            () => new TextGenerator(sampler, ModelTokenizer.Bytes).Generate(["a"]),
            () => NextTokenLoss.Of(model, tokens),
        ];
        Assert.All(calls, call => Assert.Equal(nameof(LanguageModel), Assert.Throws<ObjectDisposedException>(call).ObjectName));
    }

    [Fact]
    public void A_model_disposed_by_a_function_in_its_own_call_is_freed_after_the_call()
    {
        using var scope = NewDisposeScope();
        var model = Model();
        var tokens = ones(1, 2, dtype: ScalarType.Int64);
        using var attached = model.HookPoints["layers.0.resid_post"].Attach(x =>
        {
            model.Dispose();
            return x;
        });
        Assert.Equal([1, 2, 256], model.call(tokens, null).shape);
        Assert.Throws<ObjectDisposedException>(() => model.call(tokens, null));
        Assert.All(model.parameters(), parameter => Assert.True(parameter.IsInvalid));
    }

    [Fact]
    public void A_model_moves_between_the_steps_of_a_sample_and_not_within_one()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var tokens = ones(1, 2, dtype: ScalarType.Int64);
        using (model.HookPoints["layers.0.resid_post"].Attach(x =>
        {
            Assert.Throws<InvalidOperationException>(() => model.to(ScalarType.Float64));
            return x;
        }))
        {
            _ = model.call(tokens, null);
        }
        Assert.Same(model, model.to(ScalarType.Float64));
        Assert.Equal(ScalarType.Float64, model.call(tokens, null).dtype);
    }

    // A thread of its own that has begun and waits for others.
    private static Thread Waiting(Action action)
    {
        var thread = new Thread(() => action());
        thread.Start();
        Assert.True(SpinWait.SpinUntil(() => thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin), Patience));
        return thread;
    }

    private static void Visit(UseGate gate)
    {
        using var use = gate.Enter();
    }

    private static LanguageModel Model() => new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1 }.AddAttention().Build();
}
