using LmKit;
using static TorchSharp.torch;

using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 64, LayerCount = 4 }
    .AddH3(h3 => h3.StateDim = 64)                      // every layer ...
    .AddAttention(a => a.HeadCount = 4, layers: [1])    // ... except this one: the last one wins
    .AddMonarchLinear(m => m.BlockCount = 4)            // every linear
    .AddLambdaMask(m => { m.GlobalLength = 4; m.LocalLength = 32; })
    .AddAutoregressiveSampler(s => s.Temperature = 0.8)
    .Build();
model.eval();
using var prompt = tensor(new long[] { 72, 101, 108, 108, 111 }, [1, 5]);
foreach (var grid in model.CreateSampler().Sample(prompt, length: 20))
{
    using (grid)
        Console.Write($"{(long)grid[0, -1]} ");
}
Console.WriteLine();
