using System.Collections.Concurrent;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>A model that is changed in memory keeps its tensors and how it was used.</summary>
[NoTensorLeak]
public class WithTests
{
    [Fact]
    public void The_changed_model_has_the_same_memory()
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model("adapted");
        var views = model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.detach());
        using var changed = model.With(builder => builder.AddLambdaMask().AddPackedLinear(sites: ["fc1"]));
        using var frozen = no_grad();
        Assert.Equal(views.Keys.Order(), changed.state_dict().Keys.Order());
        foreach (var (name, tensor) in changed.state_dict())
        {
            _ = tensor.add_(1);
            Assert.True(views[name].Equals(tensor), name);
        }
    }

    [Fact]
    public void The_changed_model_has_as_many_live_tensors()
    {
        using var model = ChangeLines.Model("hybrid");
        var live = LiveTensors.Count;
        using var changed = model.With(builder => builder.AddLambdaMask());
        Assert.True(LiveTensors.Count <= live, $"{live} tensors became {LiveTensors.Count}.");
    }

    [Theory]
    [InlineData("tied", ScalarType.Float64)]
    [InlineData("tied", ScalarType.BFloat16)]
    [InlineData("hybrid bfloat16", ScalarType.Float32)]
    [InlineData("adapted", ScalarType.BFloat16)]
    public void A_model_that_was_converted_as_a_whole_keeps_its_dtype(string name, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model(name);
        _ = model.to(dtype);
        var before = ChangeLines.Logits(model);
        using var changed = model.With(builder => builder.AddAutoregressiveSampler());
        Assert.All(changed.parameters(), parameter => Assert.Equal(dtype, parameter.dtype));
        Close.Check("logits", before, ChangeLines.Logits(changed), absolute: name.StartsWith("hybrid", StringComparison.Ordinal) ? 1e-5 : 0);
    }

    [Fact]
    public void Whether_weights_are_trained_and_the_mode_are_kept()
    {
        using var model = ChangeLines.Model("tied");
        model.train();
        model.get_parameter("layers.0.mlp.fc1.weight")!.requires_grad = false;
        using var changed = model.With(builder => builder.AddAutoregressiveSampler());
        Assert.True(changed.training);
        Assert.All(changed.named_parameters(), pair => Assert.Equal(pair.name != "layers.0.mlp.fc1.weight", pair.parameter.requires_grad));
    }

    [Fact]
    public void A_fresh_adapter_freezes_what_it_is_put_around()
    {
        using var model = ChangeLines.Model("tied");
        using var changed = model.With(builder => builder.UseLora(sites: ["q_proj"]));
        Assert.All(changed.named_parameters(), pair => Assert.Equal(!pair.name.Contains("q_proj.base_layer", StringComparison.Ordinal), pair.parameter.requires_grad));
    }

    [Fact]
    public void A_second_adapter_keeps_the_first_ones_training()
    {
        using var model = ChangeLines.Model("adapted");
        using var changed = model.With(builder => builder.UseLora(lora => lora.Rank = 3, sites: ["q_proj"]));
        Assert.All(changed.named_parameters(), pair => Assert.Equal(pair.name.Contains("lora_", StringComparison.Ordinal) || !IsAdapted(pair.name), pair.parameter.requires_grad));

        static bool IsAdapted(string name) => name.Contains("base_layer", StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapters_strength_is_kept()
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model("adapted");
        foreach (var adapter in model.modules().OfType<LoraLinear>())
            adapter.Strength = 0.25;
        var before = ChangeLines.Logits(model);
        using var changed = model.With(builder => builder.AddAutoregressiveSampler());
        Assert.True(before.Equals(ChangeLines.Logits(changed)));
    }

    [Fact]
    public void A_merged_adapter_computes_the_same_unmerged()
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model("adapted");
        var before = ChangeLines.Logits(model);
        Assert.True(LoraAdapters.Merge(model) > 0);
        using var changed = model.With(builder => builder.AddAutoregressiveSampler());
        Assert.True(before.Equals(ChangeLines.Logits(changed)));
    }

    [Fact]
    public void Training_goes_on_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using var straight = Dropping();
        using var before = Dropping();
        Step(straight);
        Step(before);
        using var changed = before.With(builder => builder.AddAutoregressiveSampler().AddLambdaMask(mask => mask.LocalLength = 64));
        for (var step = 0; step < 3; step++)
            Assert.Equal(Step(straight), Step(changed));
        Assert.All(straight.named_parameters(), pair => Assert.True(pair.parameter.Equals(changed.get_parameter(pair.name)!), pair.name));

        static LanguageModel Dropping()
        {
            var builder = ChangeLines.Builder("tied");
            (builder.Options.EmbeddingDropoutRate, builder.Options.ResidualDropoutRate) = (0.2, 0.3);
            var model = builder.Build();
            model.train();
            return model;
        }

        static double Step(LanguageModel model)
        {
            using var scope = NewDisposeScope();
            using var optimizer = optim.SGD(model.parameters(), 0.1);
            var loss = NextTokenLoss.Of(model, ChangeLines.Tokens()).Sum;
            loss.backward();
            optimizer.step();
            optimizer.zero_grad();
            return loss.to(ScalarType.Float64).item<double>();
        }
    }

    [Fact]
    public void Calls_that_run_meanwhile_end_well_or_find_the_model_disposed()
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model("adapted");
        var wanted = ChangeLines.Logits(model);
        var wrong = new ConcurrentBag<string>();
        using var running = new CountdownEvent(3);
        var callers = Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            using var inner = NewDisposeScope();
            using var frozen = no_grad();
            var isFirst = true;
            try
            {
                while (true)
                {
                    using var round = NewDisposeScope();
                    if (!ChangeLines.Logits(model).Equals(wanted))
                        wrong.Add("other logits");
                    if (isFirst)
                        running.Signal();
                    isFirst = false;
                }
            }
            catch (ObjectDisposedException)
            {
                // the end that is wanted
            }
            catch (Exception error) when (error is InvalidOperationException or System.Runtime.InteropServices.ExternalException or NullReferenceException)
            {
                wrong.Add(error.ToString());
            }
        })).ToList();
        callers.ForEach(caller => caller.Start());
        running.Wait();
        using var changed = model.With(builder => builder.AddLambdaMask());
        callers.ForEach(caller => caller.Join());

        Assert.Empty(wrong);
        Assert.True(wanted.Equals(ChangeLines.Logits(changed)));
    }

    [Fact]
    public void Of_several_changes_at_once_one_wins()
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model("tied");
        var wanted = ChangeLines.Logits(model);
        var results = new ConcurrentBag<LanguageModel>();
        var refused = 0;
        using var barrier = new Barrier(4);
        var threads = Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            barrier.SignalAndWait();
            try
            {
                results.Add(model.With(builder => builder.AddAutoregressiveSampler()));
            }
            catch (InvalidOperationException) // ObjectDisposedException is one
            {
                Interlocked.Increment(ref refused);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());

        using var changed = Assert.Single(results);
        Assert.Equal(3, refused);
        Assert.True(wanted.Equals(ChangeLines.Logits(changed)));
    }
}
