using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

[NoTensorLeak]
[Trait("Category", "Kernel")]
public class ParameterCacheTests
{
    public static TheoryData<string> Writers => [.. AllWriters.Keys];

    private static readonly Dictionary<string, Action<Linear>> AllWriters = new()
    {
        ["SGD"] = linear => Train(linear, optim.SGD(linear.parameters(), 0.1)),
        ["Adam"] = linear => Train(linear, optim.Adam(linear.parameters())),
        ["AdamW"] = linear => Train(linear, optim.AdamW(linear.parameters())),
        ["RMSProp"] = linear => Train(linear, optim.RMSProp(linear.parameters())),
        ["Adagrad"] = linear => Train(linear, optim.Adagrad(linear.parameters())),
        ["Adadelta"] = linear => Train(linear, optim.Adadelta(linear.parameters())),
        ["Adamax"] = linear => Train(linear, optim.Adamax(linear.parameters())),
        ["ASGD"] = linear => Train(linear, optim.ASGD(linear.parameters())),
        ["Rprop"] = linear => Train(linear, optim.Rprop(linear.parameters())),
        ["NAdam"] = linear => Train(linear, optim.NAdam(linear.parameters())),
        ["RAdam"] = linear => Train(linear, optim.RAdam(linear.parameters())),
        ["CheckpointLoader"] = linear => CheckpointLoader.Load(linear, new Dictionary<string, Tensor> { ["weight"] = ones(2, 3) }),
        ["safetensors file"] = linear => FromFile(linear, path => CheckpointLoader.Load(linear, path)),
        ["load_state_dict"] = linear => linear.load_state_dict(new Dictionary<string, Tensor> { ["weight"] = ones(2, 3) }),
        ["weight average"] = linear =>
        {
            using var average = new WeightAverage(linear, 0.5);
            Frozen(() => linear.weight!.fill_(3));
            using var swapped = average.Swap();
        },
        ["copy_"] = linear => Frozen(() => linear.weight!.copy_(ones(2, 3))),
        ["index"] = linear => Frozen(() => linear.weight![0, 0] = 7),
        ["detached"] = linear => linear.weight!.detach().add_(1),
        ["view"] = linear => Frozen(() => linear.weight!.view(6).narrow(0, 0, 1).add_(1)),
        ["set_"] = linear => Frozen(() => linear.weight!.set_(ones(2, 3))),
        ["init"] = linear => nn.init.constant_(linear.weight!, 4),
        ["inference mode"] = linear =>
        {
            using var mode = inference_mode();
            linear.weight!.add_(1);
        },
        ["vector_to_parameters"] = linear =>
        {
            using var vector = nn.utils.parameters_to_vector(linear.parameters()).detach() + 1;
            nn.utils.vector_to_parameters(vector, linear.parameters());
        },
        ["dtype"] = linear => linear.to(ScalarType.Float64),
        ["raw memory and word of it"] = linear =>
        {
            using var memory = new TensorMemory<float>(linear.weight!.detach(), "weight");
            memory.Span(0, 1)[0] = 9;
            ParameterVersion.Move(linear.weight!);
        },
    };

    [Fact]
    public void This_libtorch_counts_writes() => Assert.True(ParameterVersion.IsKnown);

    [Theory]
    [MemberData(nameof(Writers))]
    public void What_is_kept_is_of_the_parameters_as_they_are(string writer)
    {
        using var scope = NewDisposeScope();
        using var linear = nn.Linear(3, 2, hasBias: false);
        using var cache = new ParameterCache<Made>();
        foreach (var isRecording in new[] { true, false }) // whatever mode the reader is in
        {
            using var mode = isRecording ? enable_grad() : no_grad();
            Check(linear, cache);
            using (enable_grad())
                AllWriters[writer](linear);
            Check(linear, cache);
        }
    }

    [Fact]
    public void It_is_made_once_while_nothing_is_written()
    {
        using var scope = NewDisposeScope();
        using var linear = nn.Linear(3, 2, hasBias: false);
        using var cache = new ParameterCache<Made>();
        var made = 0;
        for (var call = 0; call < 3; call++)
        {
            using var kept = cache.Take([linear.weight!], () => new Made(linear.weight!, ++made));
            linear.call(ones(1, 3)).sum().Backward(); // records, and writes nothing
            linear.zero_grad();
            linear.train(call == 0);
            using var frozen = no_grad();
            _ = linear.weight! + 1;
        }

        Assert.Equal(1, made);
        cache.Forget();
        cache.Take([linear.weight!], () => new Made(linear.weight!, ++made)).Dispose();
        Assert.Equal(2, made);
    }

    [Fact]
    public void Another_width_another_length_and_other_parameters_make_it_anew()
    {
        using var scope = NewDisposeScope();
        using var first = nn.Linear(3, 2, hasBias: false);
        using var second = nn.Linear(3, 2, hasBias: false);
        using var cache = new ParameterCache<Made>();
        var made = 0;
        Assert.Equal(1, Take([first.weight!]));
        using (SimdWidth.Limit(128))
            Assert.Equal(SimdWidth.All.Count > 1 ? 2 : 1, Take([first.weight!]));
        made = 2;
        cache.Forget();
        Assert.Equal(3, Take([first.weight!]));
        Assert.Equal(4, Take([second.weight!]));
        Assert.Equal(5, Take([second.weight!, first.weight!]));
        Assert.Equal(6, Take([first.weight!, second.weight!]));
        Assert.Equal(6, Take([first.weight!, second.weight!], least: 6));
        Assert.Equal(7, Take([first.weight!, second.weight!], least: 7));

        int Take(Tensor[] parameters, int least = 0)
        {
            using var kept = cache.Take(parameters, () => new Made(parameters[0], ++made), value => value.Number >= least);
            return kept.Value.Number;
        }
    }

    [Fact]
    public void What_was_made_in_inference_mode_serves_gradients_and_nothing_is_kept_from_its_own_tensors()
    {
        using var scope = NewDisposeScope();
        using var linear = nn.Linear(3, 2, hasBias: false);
        using var cache = new ParameterCache<Made>();
        using (inference_mode())
            Check(linear, cache);
        var x = ones(2, 3).requires_grad_(true);
        using (var kept = cache.Take([linear.weight!], () => throw new InvalidOperationException("is kept")))
            (x * kept.Value.Copy).sum().Backward();

        using var mode = inference_mode();
        using var uncounted = new Parameter(ones(2, 3));
        using var other = new ParameterCache<Made>();
        var made = 0;
        for (var call = 0; call < 2; call++)
            other.Take([uncounted], () => new Made(uncounted, ++made)).Dispose();
        Assert.Equal(2, made);
        Assert.False(ParameterVersion.IsCounted(uncounted));
        ParameterVersion.Move(uncounted);
    }

    [Fact]
    public void Parameters_of_a_model_that_is_built_in_inference_mode_are_counted()
    {
        using var scope = NewDisposeScope();
        LanguageModel model;
        using (inference_mode())
            model = ToyModel.Builder(dtype: ScalarType.Float32).AddAttention().Build();
        using (model)
            Assert.All(model.parameters(), parameter => Assert.True(ParameterVersion.IsCounted(parameter)));
    }

    [Fact]
    public void A_failing_maker_leaves_nothing_and_the_next_call_makes_it()
    {
        using var scope = NewDisposeScope();
        using var linear = nn.Linear(3, 2, hasBias: false);
        using var cache = new ParameterCache<Made>();
        Check(linear, cache);
        using (no_grad())
            linear.weight!.add_(1);
        Assert.Equal("broken", Assert.Throws<InvalidOperationException>(() => cache.Take([linear.weight!], () => Broken(linear.weight!)).Dispose()).Message);

        Check(linear, cache);

        static Made Broken(Tensor weight)
        {
            _ = weight.clone();
            throw new InvalidOperationException("broken");
        }
    }

    [Fact]
    public void A_reader_keeps_what_is_replaced_until_it_ends_and_not_longer()
    {
        using var scope = NewDisposeScope();
        using var linear = nn.Linear(3, 2, hasBias: false);
        var cache = new ParameterCache<Made>();
        Made first;
        using (var held = cache.Take([linear.weight!], () => new Made(linear.weight!, 1)))
        {
            first = held.Value;
            using (no_grad())
                linear.weight!.add_(1);
            Check(linear, cache);
            Assert.False(first.IsDisposed);
        }
        Assert.True(first.IsDisposed);
        Made second;
        using (var held = cache.Take([linear.weight!], () => new Made(linear.weight!, 2)))
        {
            second = held.Value;
            cache.Dispose();
            Assert.False(second.IsDisposed);
        }
        Assert.True(second.IsDisposed);
    }

    [Fact]
    public void A_write_while_it_is_made_is_seen_by_the_next_call()
    {
        using var scope = NewDisposeScope();
        using var linear = nn.Linear(3, 2, hasBias: false);
        using var cache = new ParameterCache<Made>();
        var half = cache.Take([linear.weight!], () =>
        {
            var made = new Made(linear.weight!, 1);
            linear.weight!.add_(1);
            return made;
        });
        half.Dispose();

        Check(linear, cache);
    }

    [Fact]
    public void Threads_read_and_write_side_by_side()
    {
        using var scope = NewDisposeScope();
        using var linear = nn.Linear(3, 2, hasBias: false);
        linear.weight!.requires_grad_(false).zero_();
        using var cache = new ParameterCache<Made>();
        using var barrier = new Barrier(3);
        var failures = new List<Exception>();
        var threads = Enumerable.Range(0, 3).Select(index => new Thread(() =>
        {
            barrier.SignalAndWait();
            if (Record.Exception(() => Work(index)) is { } failure)
            {
                lock (failures)
                    failures.Add(failure);
            }
        })).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();

        Assert.Empty(failures);
        Check(linear, cache);

        void Work(int index)
        {
            for (var call = 0; call < 300; call++)
            {
                using var inner = NewDisposeScope();
                if (index == 0)
                {
                    using var frozen = no_grad();
                    linear.weight!.add_(1);
                    continue;
                }
                var least = linear.weight!.min().item<float>();
                using var kept = cache.Take([linear.weight!], () => new Made(linear.weight!, 0));
                Assert.True(kept.Value.Copy.min().item<float>() >= least, "older than the weight was before the call");
            }
        }
    }

    [Fact]
    public void Only_one_of_two_threads_makes_it()
    {
        using var scope = NewDisposeScope();
        using var linear = nn.Linear(3, 2, hasBias: false);
        using var cache = new ParameterCache<Made>();
        using var begun = new CountdownEvent(1);
        var made = 0;
        var thread = new Thread(Take);
        thread.Start();
        begun.Wait();
        Take();
        thread.Join();

        Assert.Equal(1, made);

        void Take() => cache.Take([linear.weight!], () =>
        {
            if (Interlocked.Increment(ref made) == 1)
            {
                begun.Signal();
                Thread.Sleep(100); // time for the other to come
            }
            return new Made(linear.weight!, 0);
        }).Dispose();
    }

    private static void Check(Linear linear, ParameterCache<Made> cache)
    {
        using var scope = NewDisposeScope();
        using var kept = cache.Take([linear.weight!], () => new Made(linear.weight!, 0));
        Assert.Equal(linear.weight!.dtype, kept.Value.Copy.dtype);
        Assert.True(kept.Value.Copy.Equals(linear.weight!), "stale");
        Assert.False(kept.Value.Copy.requires_grad);
    }

    private static void Frozen(Action write)
    {
        using var frozen = no_grad();
        write();
    }

    private static void Train(Linear linear, optim.Optimizer optimizer)
    {
        using (optimizer)
        {
            linear.call(ones([1, 3], linear.weight!.dtype)).sum().Backward();
            _ = optimizer.step();
            optimizer.zero_grad();
        }
    }

    private static void FromFile(Linear linear, Action<string> load)
    {
        var path = Path.GetTempFileName();
        try
        {
            using var weight = rand(2, 3);
            SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["weight"] = weight });
            load(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private sealed class Made(Tensor source, int number) : IDisposable
    {
        internal Tensor Copy { get; } = source.clone().DetachFromDisposeScope();

        internal int Number => number;

        internal bool IsDisposed => Copy.IsInvalid;

        public void Dispose() => Copy.Dispose();
    }
}
